using System.Runtime.InteropServices;
using KvShiftScale.Core;

namespace KvShiftScale.Trainer.Signals;

/// <summary>
/// Ends a verb that has nothing to save at SIGTERM, SIGINT or SIGHUP, whatever its threads do: libraries that compute are not torn down below them. What it was
/// writing bears another name until it is complete.
/// </summary>
internal sealed class SignalEnd : IDisposable
{
    private static readonly (PosixSignal Signal, int Number)[] Signals = [(PosixSignal.SIGTERM, 15), (PosixSignal.SIGINT, 2), (PosixSignal.SIGHUP, 1)];

    private readonly PosixSignalRegistration[] _registrations;

    public SignalEnd() => _registrations = [.. Signals.Select(known => PosixSignalRegistration.Create(known.Signal, context =>
    {
        context.Cancel = true;
        Console.Error.WriteLine($"kvshift: ended by {known.Signal}");
        Console.Error.Flush();
        LinuxProcess.EndNow(ExitCode.OfSignal(known.Number));
    }))];

    public void Dispose()
    {
        foreach (var registration in _registrations)
        {
            registration.Dispose();
        }
    }
}
