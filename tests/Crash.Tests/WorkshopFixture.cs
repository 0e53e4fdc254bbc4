using KvShiftScale.CrashProgram;

namespace KvShiftScale.Crash.Tests;

/// <summary>Holds the workshop, whose type is not public.</summary>
public sealed class WorkshopFixture : IDisposable
{
    internal Workshop Workshop { get; } = new();

    public void Dispose() => Workshop.Dispose();
}
