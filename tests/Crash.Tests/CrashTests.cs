using KvShiftScale.CrashProgram;

namespace KvShiftScale.Crash.Tests;

/// <summary>A few trials of launch/crash-test, whose program also runs hundreds.</summary>
public sealed class CrashTests : IDisposable
{
    private readonly Workshop _workshop = new();

    [Fact]
    public void Killed_and_damaged_runs_end_with_the_bits_of_an_undisturbed_one()
    {
        foreach (var number in Enumerable.Range(1, 5)) new CrashTrial(_workshop, seed: 1, number).Run();
    }

    [Fact]
    public void Signals_at_any_moment_lead_to_one_save_and_lose_nothing()
    {
        foreach (var number in Enumerable.Range(1, 4)) new SignalTrial(_workshop, seed: 1, number).Run();
    }

    public void Dispose() => _workshop.Dispose();
}
