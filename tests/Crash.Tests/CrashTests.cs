using KvShiftScale.CrashProgram;

namespace KvShiftScale.Crash.Tests;

/// <summary>A few trials of launch/crash-test, whose program also runs hundreds.</summary>
[Collection(nameof(WorkshopGroup))]
public sealed class CrashTests(WorkshopFixture fixture)
{
    // A wish to save to a rank, to stop to a rank and to launch/train, and one that mpirun hands on.
    private const int Signals = 4;

    [Fact]
    public void Killed_and_damaged_runs_end_with_the_bits_of_an_undisturbed_one()
    {
        foreach (var number in Enumerable.Range(1, 2))
        {
            new CrashTrial(fixture.Workshop, seed: 1, number).Run();
        }
    }

    [Fact]
    public void Signals_at_any_moment_lead_to_one_save_and_lose_nothing()
    {
        foreach (var number in Enumerable.Range(1, Signals))
        {
            new SignalTrial(fixture.Workshop, seed: 1, number).Run();
        }
    }

    // One of each kind: before training, within it, and while a restart waits.
    [Fact]
    public void Nothing_outlives_a_killed_launcher_and_the_next_start_goes_on_at_once()
    {
        foreach (var number in Enumerable.Range(1, LauncherTrial.Kinds))
        {
            new LauncherTrial(fixture.Workshop, seed: 1, number).Run();
        }
    }
}
