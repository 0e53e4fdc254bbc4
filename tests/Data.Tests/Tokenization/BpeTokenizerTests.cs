using System.Buffers;
using System.Text.Json;
using KvShiftScale.Data.Tests.Text;
using Microsoft.ML.Tokenizers;

namespace KvShiftScale.Data.Tests.Tokenization;

/// <summary>The drop-in for Microsoft.ML.Tokenizers, through its public surface.</summary>
public sealed class BpeTokenizerTests
{
    private static readonly Dictionary<string, int> Special = new() { ["<|endoftext|>"] = 1000, ["<|end"] = 1001 };

    [Fact]
    public void MergesTheLowestRankFirstAndTheLeftmostOfEquals()
    {
        // Ids: bc 256, ab 257, aa 258, aaaa 259.
        var tokenizer = Create(["b c", "a b", "a a", "aa aa"]);

        Assert.Equal([Id("a"), 256], tokenizer.EncodeToIds("abc"));
        Assert.Equal([257, Id("d")], tokenizer.EncodeToIds("abd"));
        Assert.Equal([258, Id("a")], tokenizer.EncodeToIds("aaa"));
        Assert.Equal([259, 258, Id("a")], tokenizer.EncodeToIds("aaaaaaa"));
        Assert.Equal([259, 258, 256], tokenizer.EncodeToIds("aaaaaabc"));
    }

    [Fact]
    public void TakesAWholePieceThatIsAToken()
    {
        var vocabulary = Vocabulary(["a b"]);
        vocabulary.Add("abc", 300);

        Assert.Equal([300], Create(vocabulary, ["a b"]).EncodeToIds("abc"));
        Assert.Equal([256, Id("c"), Id("d")], Create(vocabulary, ["a b"]).EncodeToIds("abcd"));
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(5)]
    public void AgreesWithTheDefinitionOnLongPieces(int letterCount)
    {
        var random = new Random(letterCount);
        var letters = "abcde"[..letterCount];
        var merges = RandomMerges(random, letters, 60);
        var tokenizer = Create(merges);
        var ids = Vocabulary(merges);
        var ranks = merges.Select((line, rank) => (line, rank)).ToDictionary(entry => entry.line, entry => entry.rank);
        foreach (var length in new[] { 1, 2, 3, 10, 49, 100, 1000, 1000 })
        {
            var text = string.Concat(Enumerable.Range(0, length).Select(_ => letters[random.Next(letterCount)]));
            // A piece that is a token is taken whole, whatever its merges would give.
            var expected = ids.TryGetValue(text, out var whole) ? [whole] : NaiveBpe.Encode(text, ranks).Select(token => ids[token]);
            Assert.Equal(expected, tokenizer.EncodeToIds(text));
        }
    }

    [Fact]
    public void MergesALongRunInHalves()
    {
        // Doubling merges: 2^20 letters become 2^20 / 16 tokens of 16.
        var tokenizer = Create(["a a", "aa aa", "aaaa aaaa", "aaaaaaaa aaaaaaaa"]);

        Assert.Equal(Enumerable.Repeat(259, 1 << 16), tokenizer.EncodeToIds(new string('a', 1 << 20)));
    }

    [Fact]
    public void FindsSpecialTokensThatThePreTokenizerKnows()
    {
        var tokenizer = Create([], new RegexPreTokenizer(NaiveBpe.Gpt2Split, Special), Special);

        Assert.Equal([220, 1000, 220, Id("y")], tokenizer.EncodeToIds(" <|endoftext|> y"));
        Assert.Equal([Id("a"), 220, 220, 1001, Id(">")], tokenizer.EncodeToIds("a  <|end>"));
        Assert.Equal(
            "<|endoftext|>".Select(letter => Id(letter.ToString())), tokenizer.EncodeToIds("<|endoftext|>", considerPreTokenization: false));
    }

    [Fact]
    public void TakesTextBeforeASpecialTokenAsIfItEndedThere()
    {
        var pieces = new RegexPreTokenizer(NaiveBpe.Gpt2Split, Special).PreTokenize("a  <|endoftext|>  b");

        Assert.Equal([(0, 1), (1, 2), (3, 13), (16, 1), (17, 2)], pieces);
    }

    [Fact]
    public void GivesValuesAndOffsets()
    {
        // The four bytes of the face are merged two and two; "é" stays two bytes.
        var face = NaiveBpe.Symbols("😀");
        var accented = NaiveBpe.Symbols("é");
        var tokenizer = Create([$"{face[0]} {face[1]}", $"{face[2]} {face[3]}"]);
        var tokens = tokenizer.EncodeToTokens("x é😀", out var normalized);

        Assert.Null(normalized);
        Assert.Equal(
            ["x", "\u0120", accented[0], accented[1], face[0] + face[1], face[2] + face[3]], tokens.Select(token => token.Value));
        Assert.Equal([0..1, 1..2, 2..3, 2..3, 3..5, 3..5], tokens.Select(token => token.Offset));
        Assert.Equal(tokenizer.EncodeToIds("x é😀"), tokens.Select(token => token.Id));
        Assert.Equal(6, tokenizer.CountTokens("x é😀"));
    }

    [Theory]
    [InlineData(1, 1, 1)]
    [InlineData(2, 1, 1)]
    [InlineData(3, 3, 2)]
    [InlineData(6, 3, 2)]
    [InlineData(7, 7, 4)]
    [InlineData(8, 8, 5)]
    [InlineData(99, 8, 5)]
    public void NeverCutsACharacterAtTheLimit(int limit, int tokenCount, int charCount)
    {
        // a: 1 byte, é: 2, the face: 4, b: 1.
        var tokenizer = Create([]);
        var ids = tokenizer.EncodeToIds("aé😀b", limit, out _, out var charsConsumed);

        Assert.Equal((tokenCount, charCount), (ids.Count, charsConsumed));
        Assert.Equal("aé😀b"[..charCount], tokenizer.Decode(ids));
    }

    [Fact]
    public void RefusesALimitOfZero()
        => Assert.Throws<ArgumentOutOfRangeException>(() => Create([]).EncodeToIds("a", 0, out _, out _));

    [Fact]
    public void EncodesHalfASurrogatePairAsTheReplacementCharacter()
        => Assert.Equal(Create([]).EncodeToIds("a\uFFFD"), Create([]).EncodeToIds("a\uD800"));

    [Fact]
    public void SkipsUnknownIdsAndRepairsBrokenText()
    {
        var tokenizer = Create([]);
        var face = tokenizer.EncodeToIds("😀");

        Assert.Equal("ab", tokenizer.Decode([Id("a"), 5000, Id("b")]));
        Assert.Equal("a\uFFFDb", tokenizer.Decode([Id("a"), face[0], face[1], Id("b")]));
        Assert.Equal("", tokenizer.Decode([]));
    }

    [Fact]
    public void LeavesSpecialTokensOutWhenTold()
    {
        var tokenizer = Create([], specialTokens: Special);

        Assert.Equal("a<|endoftext|>b", tokenizer.Decode([Id("a"), 1000, Id("b")]));
        Assert.Equal("ab", tokenizer.Decode([Id("a"), 1000, Id("b")], considerSpecialTokens: false));
    }

    [Fact]
    public void DecodesIntoABufferAndSaysHowFarItCame()
    {
        var tokenizer = Create([]);
        int[] ids = [.. tokenizer.EncodeToIds("aé😀")];

        Assert.Equal((OperationStatus.Done, 7, "aé😀"), DecodeInto(tokenizer, ids, 4));
        Assert.Equal((OperationStatus.DestinationTooSmall, 3, "aé"), DecodeInto(tokenizer, ids, 3));
        Assert.Equal((OperationStatus.NeedMoreData, 3, "aé"), DecodeInto(tokenizer, ids[..5], 9));
        Assert.Equal((OperationStatus.InvalidData, 1, "a"), DecodeInto(tokenizer, [ids[0], 5000], 9));
    }

    [Fact]
    public void NormalizesFirst()
    {
        var tokenizer = BpeTokenizer.Create(new BpeOptions(Vocabulary([])) { ByteLevel = true, Normalizer = new UpperCase() });
        var ids = tokenizer.EncodeToIds("ab", 1, out var normalized, out var charsConsumed);

        Assert.Equal(("AB", 1), (normalized, charsConsumed));
        Assert.Equal([Id("A")], ids);
        Assert.Equal([Id("a"), Id("b")], tokenizer.EncodeToIds("ab", considerNormalization: false));
    }

    [Fact]
    public void GivesTheSameFromManyThreads()
    {
        string[] merges = [.. SampleTexts.Trained.MergeLines()];
        var random = new Random(41);
        var texts = Enumerable.Range(0, 4000).Select(_ => SampleTexts.WellFormed(random, 10)).ToArray();
        var shared = Create(merges, new RegexPreTokenizer(NaiveBpe.Gpt2Split, null));
        var parallel = new IReadOnlyList<int>[texts.Length];
        Parallel.For(0, texts.Length, new ParallelOptions { MaxDegreeOfParallelism = 8 }, i => parallel[i] = shared.EncodeToIds(texts[i]));

        var alone = Create(merges, new RegexPreTokenizer(NaiveBpe.Gpt2Split, null));
        for (var i = 0; i < texts.Length; i++)
        {
            Assert.Equal(alone.EncodeToIds(texts[i]), parallel[i]);
        }
    }

    [Fact]
    public void ReadsItsFiles()
    {
        using var folder = new TemporaryFolder();
        var vocabulary = JsonSerializer.Serialize(Vocabulary(["a b", "ab c"]));
        var options = new BpeOptions(folder.Write("vocab.json", vocabulary), folder.Write("merges.txt", "#version: 0.2\na b\n\nab c\n"))
        {
            ByteLevel = true,
        };

        Assert.Equal([257, 256], BpeTokenizer.Create(options).EncodeToIds("abcab"));
    }

    [Theory]
    [InlineData("ab")]
    [InlineData("a  b")]
    [InlineData("a b c")]
    [InlineData("a zz")]
    [InlineData(" a")]
    public void RefusesABadMerge(string merge)
    {
        var error = Assert.Throws<InvalidOperationException>(() => Create(Vocabulary(["a b", "b c"]), [merge]));

        Assert.Contains($"'{merge}'", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void RefusesAVocabularyWithoutEveryByte()
    {
        var vocabulary = Vocabulary([]);
        vocabulary.Remove("\u0120");

        Assert.Contains("0x20", Assert.Throws<InvalidOperationException>(() => Create(vocabulary, [])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void RefusesCharacterLevelEncoding()
        => Assert.Throws<NotSupportedException>(() => BpeTokenizer.Create(new BpeOptions(Vocabulary([]))));

    private static int Id(string symbol) => Array.IndexOf(NaiveBpe.SymbolsById, symbol);

    /// <summary>The bytes, then what each merge gives, from 256 on.</summary>
    private static Dictionary<string, int> Vocabulary(IEnumerable<string> merges)
    {
        var vocabulary = new Dictionary<string, int>();
        foreach (var token in NaiveBpe.SymbolsById.Concat(merges.Select(line => line.Replace(" ", "", StringComparison.Ordinal))))
        {
            vocabulary.TryAdd(token, vocabulary.Count);
        }

        return vocabulary;
    }

    private static BpeTokenizer Create(
        IReadOnlyList<string> merges, PreTokenizer? preTokenizer = null, IReadOnlyDictionary<string, int>? specialTokens = null)
        => Create(Vocabulary(merges), merges, preTokenizer, specialTokens);

    private static BpeTokenizer Create(
        Dictionary<string, int> vocabulary,
        IReadOnlyList<string> merges,
        PreTokenizer? preTokenizer = null,
        IReadOnlyDictionary<string, int>? specialTokens = null)
        => BpeTokenizer.Create(new BpeOptions(vocabulary)
        {
            Merges = merges,
            ByteLevel = true,
            PreTokenizer = preTokenizer,
            SpecialTokens = specialTokens,
        });

    /// <summary>Merges that no training would give: any two known tokens, in any order of rank.</summary>
    private static List<string> RandomMerges(Random random, string letters, int count)
    {
        var tokens = letters.Select(letter => letter.ToString()).ToList();
        var merges = new List<string>();
        while (merges.Count < count)
        {
            var (left, right) = (tokens[random.Next(tokens.Count)], tokens[random.Next(tokens.Count)]);
            if (left.Length + right.Length <= 12 && !merges.Contains($"{left} {right}"))
            {
                merges.Add($"{left} {right}");
                tokens.Add(left + right);
            }
        }

        return [.. merges.OrderBy(_ => random.Next())];
    }

    private static (OperationStatus Status, int IdsConsumed, string Text) DecodeInto(BpeTokenizer tokenizer, int[] ids, int length)
    {
        var destination = new char[length];
        var status = tokenizer.Decode(ids, destination, out var idsConsumed, out var charsWritten);
        return (status, idsConsumed, new string(destination, 0, charsWritten));
    }

    private sealed class UpperCase : Normalizer
    {
        public override string Normalize(string original) => original.ToUpperInvariant();

        public override string Normalize(ReadOnlySpan<char> original) => Normalize(original.ToString());
    }
}
