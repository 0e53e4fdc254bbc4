namespace KvShiftScale.Trainer.Training;

/// <summary>What happens every so many steps.</summary>
internal static class Rhythm
{
    /// <summary>Whether it does after a step; where it is every 0 steps, never.</summary>
    public static bool IsDue(long step, int every) => every > 0 && step % every == 0;
}
