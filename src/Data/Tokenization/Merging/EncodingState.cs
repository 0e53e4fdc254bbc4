namespace KvShiftScale.Data.Tokenization.Merging;

/// <summary>What one thread needs while it encodes. Kept between texts for its buffers and its cache.</summary>
internal sealed class EncodingState
{
    /// <summary>Larger buffers are given back after the text that needed them.</summary>
    private const int LargestKept = 1 << 22;

    /// <summary>A piece may be read as 16 bytes wherever it ends.</summary>
    private const int TextSlack = 16;

    /// <summary>UTF-8 of the text at hand, <see cref="TextSlack"/> bytes longer than it.</summary>
    public byte[] Text { get; private set; } = new byte[1 << 12];

    /// <summary>Ids so far, with room behind them.</summary>
    public int[] Ids { get; private set; } = new int[1 << 12];

    public int Count { get; set; }

    public PieceCache Cache { get; } = new();

    /// <summary>Ends of pieces, where several splitters follow each other.</summary>
    public List<int> Ends { get; private set; } = [];

    public List<int> PreviousEnds { get; private set; } = [];

    /// <summary>Texts as they were merged, each with the index of its first id; null unless somebody asks where tokens stand.</summary>
    public List<(string Text, int FirstId)>? Trace { get; set; }

    public ReadOnlySpan<int> Result => Ids.AsSpan(0, Count);

    public void SwapEnds() => (Ends, PreviousEnds) = (PreviousEnds, Ends);

    public void Add(int id)
    {
        EnsureIdRoom(1);
        Ids[Count++] = id;
    }

    /// <summary>A buffer for a text of so many bytes.</summary>
    public byte[] TextBuffer(int byteCount)
    {
        if (Text.Length - TextSlack < byteCount)
        {
            Text = new byte[Larger(Text.Length, byteCount + TextSlack)];
        }

        return Text;
    }

    /// <summary>Makes room for so many ids more.</summary>
    public void EnsureIdRoom(int count)
    {
        var wanted = (long)Count + count + PieceCache.Slack;
        if (Ids.Length < wanted)
        {
            var larger = new int[Larger(Ids.Length, wanted)];
            Result.CopyTo(larger);
            Ids = larger;
        }
    }

    /// <summary>Forgets the text.</summary>
    public void Reset()
    {
        Count = 0;
        Trace = null;
        if (Text.Length > LargestKept)
        {
            Text = new byte[1 << 12];
        }

        if (Ids.Length > LargestKept)
        {
            Ids = new int[1 << 12];
        }

        if (Ends.Capacity + PreviousEnds.Capacity > LargestKept)
        {
            Ends = [];
            PreviousEnds = [];
        }
    }

    private static long Larger(int length, long wanted) => Math.Max(wanted, Math.Min(2L * length, Array.MaxLength));
}
