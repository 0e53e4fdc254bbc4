using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using KvShiftScale.Parallel.Collectives;

namespace KvShiftScale.Parallel.Control;

/// <summary>Texts between ranks, for what is said rarely: outcomes, names, lists of files.</summary>
public static class HostTexts
{
    /// <summary>The texts of all ranks in their order, on every rank. Collective.</summary>
    public static string[] AllGatherTexts(this ProcessGroup group, string text, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
    {
        if (group.Size == 1)
        {
            return [text];
        }

        var bytes = Encoding.UTF8.GetBytes(text);
        var lengths = group.Gather<int>([bytes.Length], file, line);
        // Whole numbers of 32 bits, as many from each rank as the longest text needs, and one at least.
        var own = new int[lengths.Max(length => length[0]) / sizeof(int) + 1];
        bytes.CopyTo(MemoryMarshal.AsBytes(own.AsSpan()));
        var all = group.Gather<int>(own, file, line);
        return [.. all.Select((words, rank) => Encoding.UTF8.GetString(MemoryMarshal.AsBytes(words.AsSpan())[..lengths[rank][0]]))];
    }
}
