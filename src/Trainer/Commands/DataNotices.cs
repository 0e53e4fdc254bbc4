using KvShiftScale.Data.Finding;

namespace KvShiftScale.Trainer.Commands;

/// <summary>What a verb says of the files that it was pointed at.</summary>
internal static class DataNotices
{
    /// <summary>Tells in one line what was found and is not read, if anything was.</summary>
    public static void Tell(IReadOnlyCollection<LeftOutName> leftOut)
    {
        if (LeftOutName.Describe(leftOut) is { } line)
        {
            Console.Error.WriteLine($"kvshift: {line}");
        }
    }
}
