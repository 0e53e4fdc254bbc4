using System.Runtime.CompilerServices;
using KvShiftScale.Parallel.Collectives;

namespace KvShiftScale.Parallel.Control;

/// <summary>Work with files that succeeds on all ranks or fails on all of them, so that none waits for one that has given up.</summary>
public static class RankAgreement
{
    private const char Succeeded = '+';
    private const char Failed = '-';

    /// <summary>Does this rank's part and waits for the others'. Collective.</summary>
    /// <param name="world">All ranks that take part.</param>
    /// <param name="work">This rank's part; what it returns goes to every rank.</param>
    /// <returns>What the ranks returned, in their order.</returns>
    /// <exception cref="IOException">On all ranks: a file could not be read or written on one of them, which the message names.</exception>
    public static string[] Together(ProcessGroup world, Func<string> work, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
    {
        string own;
        try
        {
            own = Succeeded + work();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            own = Failed + error.Message;
        }
        if (own[0] == Failed && world.Size > 1)
        {
            own = $"{Failed}rank {world.Rank} on {Environment.MachineName}: {own[1..]}";
        }

        var all = world.AllGatherTexts(own, file, line);
        return Array.Find(all, text => text[0] == Failed) is { } failed ? throw new IOException(failed[1..]) : [.. all.Select(text => text[1..])];
    }

    /// <summary>As <see cref="Together(ProcessGroup, Func{string}, string, int)"/>, for work without a result.</summary>
    public static void Together(ProcessGroup world, Action work, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
        => Together(world, () =>
    {
        work();
        return "";
    }, file, line);
}
