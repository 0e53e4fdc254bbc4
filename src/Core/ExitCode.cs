namespace KvShiftScale.Core;

/// <summary>What the process tells its launcher.</summary>
public static class ExitCode
{
    /// <summary>Done.</summary>
    public const int Done = 0;

    /// <summary>Failed while running.</summary>
    public const int Failed = 1;

    /// <summary>Bad usage or configuration, found before any work.</summary>
    public const int Usage = 2;

    /// <summary>Stopped by a signal after a checkpoint (EX_TEMPFAIL: a scheduler may start it again).</summary>
    public const int Stopped = 75;

    /// <summary>Ended by a signal, as shells tell it.</summary>
    public static int OfSignal(int number) => 128 + number;
}
