using System.Globalization;
using KvShiftScale.Core.Files;
using KvShiftScale.Trainer.Launch;

namespace KvShiftScale.Trainer.Liveness;

/// <summary>The file of a run in which every rank that fails says why, and survivors speak for those that could not.</summary>
internal static class LastWords
{
    /// <summary>Name in the run's folder.</summary>
    public const string FileName = "last-words.txt";

    /// <summary>Adds what a rank has to say, in one write, so that words of several ranks do not mix.</summary>
    public static void Append(string run, RankAddress rank, string text)
    {
        var entry = string.Create(CultureInfo.InvariantCulture,
            $"{DateTimeOffset.Now:yyyy-MM-dd HH:mm:ss zzz} rank {rank.Rank} on {rank.Host}, process {rank.ProcessId}: {text.TrimEnd()}\n");
        try
        {
            LinuxFile.AppendText(Path.Combine(run, FileName), entry);
        }
        catch (IOException)
        {
            // The disk may be what is failing; standard error has the words too.
        }
    }
}
