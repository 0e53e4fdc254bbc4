using System.Runtime.InteropServices;

namespace KvShiftScale.Trainer.Training;

/// <summary>
/// SIGTERM, SIGINT and SIGUSR2 (which launch/train sends, because mpirun hands it on) as a wish to stop. The training loop asks at the end of
/// each step, and all ranks agree on the step at which they stop; a second signal changes nothing.
/// </summary>
internal sealed class StopSignal : IDisposable
{
    // PosixSignal takes raw numbers too; this is Linux's on x86 and ARM.
    private const PosixSignal SigUsr2 = (PosixSignal)12;

    private readonly PosixSignalRegistration[] _registrations;
    private volatile bool _isRequested;

    public StopSignal()
    {
        _registrations =
        [
            PosixSignalRegistration.Create(PosixSignal.SIGTERM, Request),
            PosixSignalRegistration.Create(PosixSignal.SIGINT, Request),
            PosixSignalRegistration.Create(SigUsr2, Request),
        ];
    }

    /// <summary>A signal has come.</summary>
    public bool IsRequested => _isRequested;

    public void Dispose()
    {
        foreach (var registration in _registrations) registration.Dispose();
    }

    private void Request(PosixSignalContext context)
    {
        // Without this the runtime would end the process at once.
        context.Cancel = true;
        _isRequested = true;
    }
}
