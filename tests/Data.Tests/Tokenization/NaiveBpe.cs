using System.Text;
using System.Text.RegularExpressions;

namespace KvShiftScale.Data.Tests.Tokenization;

/// <summary>Byte-level BPE by its definition, everything counted anew at each step: what the fast code must agree with.</summary>
internal static partial class NaiveBpe
{
    /// <summary>GPT-2's byte alphabet, index = byte.</summary>
    public static readonly string[] Alphabet = BuildAlphabet();

    /// <summary>The 256 byte symbols in the order of their characters, which is the order of their ids.</summary>
    public static readonly string[] SymbolsById = [.. Alphabet.Order(StringComparer.Ordinal)];

    [GeneratedRegex(@"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+", RegexOptions.CultureInvariant)]
    public static partial Regex Gpt2Split { get; }

    public static List<string> Symbols(string piece) => [.. Encoding.UTF8.GetBytes(piece).Select(value => Alphabet[value])];

    /// <summary>Tokens of one piece: merges the leftmost pair of the lowest rank until no pair is listed.</summary>
    public static List<string> Encode(string piece, IReadOnlyDictionary<string, int> rankOfMerge)
    {
        var symbols = Symbols(piece);
        while (true)
        {
            var best = -1;
            var bestRank = int.MaxValue;
            for (var i = 0; i + 1 < symbols.Count; i++)
            {
                if (rankOfMerge.TryGetValue(symbols[i] + " " + symbols[i + 1], out var rank) && rank < bestRank)
                {
                    best = i;
                    bestRank = rank;
                }
            }

            if (best < 0)
            {
                return symbols;
            }

            symbols[best] += symbols[best + 1];
            symbols.RemoveAt(best + 1);
        }
    }

    /// <summary>The merges "left right" that training gives, for text without characters above U+FFFF.</summary>
    public static List<string> Train(IEnumerable<string> documents, int mergeCount)
    {
        var ids = SymbolsById.Select((symbol, id) => (symbol, id)).ToDictionary(entry => entry.symbol, entry => entry.id);
        var words = documents.SelectMany(document => Gpt2Split.Matches(document).Select(match => Symbols(match.Value))).ToList();
        var merges = new List<string>();
        while (merges.Count < mergeCount)
        {
            var counts = new Dictionary<(string Left, string Right), int>();
            foreach (var word in words)
            {
                for (var i = 0; i + 1 < word.Count; i++)
                {
                    counts[(word[i], word[i + 1])] = counts.GetValueOrDefault((word[i], word[i + 1])) + 1;
                }
            }

            var (left, right) = counts.OrderByDescending(pair => pair.Value)
                .ThenBy(pair => ids[pair.Key.Left]).ThenBy(pair => ids[pair.Key.Right]).First().Key;
            merges.Add(left + " " + right);
            ids.Add(left + right, ids.Count);
            foreach (var word in words)
            {
                for (var i = 0; i + 1 < word.Count; i++)
                {
                    if (word[i] == left && word[i + 1] == right)
                    {
                        word[i] = left + right;
                        word.RemoveAt(i + 1);
                    }
                }
            }
        }

        return merges;
    }

    private static string[] BuildAlphabet()
    {
        var alphabet = new string[256];
        var renamed = 0;
        for (var value = 0; value < 256; value++)
        {
            var isPrintable = (value >= '!' && value <= '~') || (value >= 0xA1 && value <= 0xAC) || value >= 0xAE;
            alphabet[value] = ((char)(isPrintable ? value : 256 + renamed++)).ToString();
        }

        return alphabet;
    }
}
