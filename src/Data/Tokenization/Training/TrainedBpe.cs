using KvShiftScale.Data.Tokenization.Vocabulary;

namespace KvShiftScale.Data.Tokenization.Training;

/// <summary>A trained byte-level BPE: 256 byte symbols, merged tokens in the order in which they were learnt, end of text.</summary>
public sealed class TrainedBpe
{
    /// <summary>The token that ends a document.</summary>
    public const string EndOfText = "<|endoftext|>";

    internal TrainedBpe(IReadOnlyList<(int Left, int Right)> merges)
    {
        var tokens = new List<string>(ByteAlphabet.Size + merges.Count + 1);
        for (var symbol = 0; symbol < ByteAlphabet.Size; symbol++)
        {
            tokens.Add(ByteAlphabet.SymbolCharacter(symbol).ToString());
        }

        foreach (var (left, right) in merges)
        {
            tokens.Add(tokens[left] + tokens[right]);
        }

        tokens.Add(EndOfText);
        Tokens = tokens;
        Merges = merges;
    }

    /// <summary>Token strings by id, in GPT-2's byte alphabet; the last one is <see cref="EndOfText"/>.</summary>
    public IReadOnlyList<string> Tokens { get; }

    /// <summary>Pairs of ids by rank: merge number k makes token 256 + k.</summary>
    public IReadOnlyList<(int Left, int Right)> Merges { get; }

    /// <summary>Id of <see cref="EndOfText"/>: the last one.</summary>
    public int EndOfTextId => Tokens.Count - 1;

    /// <summary>The merges as files spell them: "left right".</summary>
    internal IEnumerable<string> MergeLines() => Merges.Select(merge => $"{Tokens[merge.Left]} {Tokens[merge.Right]}");
}
