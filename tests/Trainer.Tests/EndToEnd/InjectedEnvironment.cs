using KvShiftScale.Trainer.Faults;

namespace KvShiftScale.Trainer.Tests.EndToEnd;

/// <summary>Faults for the programs that are started until it is disposed.</summary>
internal sealed class InjectedEnvironment : IDisposable
{
    public InjectedEnvironment(string faults) => Environment.SetEnvironmentVariable(InjectedFaults.Variable, faults);

    public void Dispose() => Environment.SetEnvironmentVariable(InjectedFaults.Variable, null);
}
