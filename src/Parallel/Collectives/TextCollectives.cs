using System.Runtime.CompilerServices;
using System.Text;

namespace KvShiftScale.Parallel.Collectives;

/// <summary>Texts between ranks, for what is said rarely: outcomes, names, lists of files.</summary>
public static class TextCollectives
{
    /// <summary>The texts of all ranks in their order, on every rank. Collective.</summary>
    public static unsafe string[] AllGatherTexts(this ProcessGroup group, string text, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
    {
        if (group.Size == 1)
        {
            return [text];
        }

        var bytes = Encoding.UTF8.GetBytes(text);
        var lengths = new int[group.Size];
        var length = bytes.Length;
        fixed (int* all = lengths)
        {
            group.AllGather((nint)(&length), (nint)all, 1, CollectiveDataType.Int32, file, line);
        }
        // Whole numbers of 32 bits, as many from each rank as the longest text needs, and one at least.
        var words = lengths.Max() / sizeof(int) + 1;
        var own = new byte[words * sizeof(int)];
        bytes.CopyTo(own, 0);
        var gathered = new int[(long)words * group.Size];
        fixed (byte* mine = own)
        fixed (int* all = gathered)
        {
            group.AllGather((nint)mine, (nint)all, words, CollectiveDataType.Int32, file, line);
            var texts = new string[group.Size];
            for (var rank = 0; rank < texts.Length; rank++)
            {
                texts[rank] = Encoding.UTF8.GetString((byte*)(all + (long)rank * words), lengths[rank]);
            }

            return texts;
        }
    }
}
