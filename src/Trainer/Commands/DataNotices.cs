using KvShiftScale.Data.Finding;

namespace KvShiftScale.Trainer.Commands;

/// <summary>What a verb says of the files that it was pointed at.</summary>
internal static class DataNotices
{
    /// <summary>Tells in one line what was found and is not read, if anything was.</summary>
    /// <param name="leftOut">Names that were found.</param>
    /// <param name="idlePatterns">Patterns of names that were to be taken or left out, and that no name matches.</param>
    public static void Tell(IReadOnlyCollection<LeftOutName> leftOut, IReadOnlyCollection<string>? idlePatterns = null)
    {
        if (idlePatterns is { Count: > 0 })
        {
            Console.Error.WriteLine($"kvshift: no file of text has a name by --include or --exclude {string.Join(' ', idlePatterns)}");
        }

        if (LeftOutName.Describe(leftOut) is { } line)
        {
            Console.Error.WriteLine($"kvshift: {line}");
        }
    }
}
