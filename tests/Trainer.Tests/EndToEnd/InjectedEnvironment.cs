using KvShiftScale.Core.Faults;

namespace KvShiftScale.Trainer.Tests.EndToEnd;

/// <summary>Faults for the programs that are started until it is disposed.</summary>
internal sealed class InjectedEnvironment : IDisposable
{
    // Of mpirun: seconds between the signals with which it ends the ranks that are left when one has died.
    private const string SecondsToEnd = "OMPI_MCA_odls_base_sigkill_timeout";

    /// <param name="faults">The faults.</param>
    /// <param name="secondsToEnd">
    /// What mpirun leaves other ranks to have their say when one has died; its own second is little on busy cores. Null: that second.
    /// </param>
    public InjectedEnvironment(string faults, int? secondsToEnd = null)
    {
        Environment.SetEnvironmentVariable(InjectedFaults.Variable, faults);
        if (secondsToEnd is { } seconds)
        {
            Environment.SetEnvironmentVariable(SecondsToEnd, FormattableString.Invariant($"{seconds}"));
        }
    }

    public void Dispose()
    {
        Environment.SetEnvironmentVariable(InjectedFaults.Variable, null);
        Environment.SetEnvironmentVariable(SecondsToEnd, null);
    }
}
