using System.Runtime.InteropServices;

namespace KvShiftScale.Trainer.Signals;

/// <summary>The first SIGTERM, SIGINT or SIGHUP as a token, for a verb that has something to end; a second one ends the process where it is.</summary>
internal sealed class SignalToken : IDisposable
{
    private readonly CancellationTokenSource _source = new();
    private readonly PosixSignalRegistration[] _registrations;

    public SignalToken() => _registrations = [.. ((PosixSignal[])[PosixSignal.SIGTERM, PosixSignal.SIGINT, PosixSignal.SIGHUP]).Select(signal =>
        PosixSignalRegistration.Create(signal, context =>
        {
            context.Cancel = !_source.IsCancellationRequested;
            _source.Cancel();
        }))];

    /// <summary>Cancelled by the signal.</summary>
    public CancellationToken Token => _source.Token;

    public void Dispose()
    {
        foreach (var registration in _registrations)
        {
            registration.Dispose();
        }

        _source.Dispose();
    }
}
