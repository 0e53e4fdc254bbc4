using System.Text;
using KvShiftScale.Data.Tokenization;
using KvShiftScale.Data.Tokenization.Files;
using KvShiftScale.Data.Tokenization.Splitting;
using KvShiftScale.Data.Tokenization.Training;
using KvShiftScale.Data.Tokenization.Vocabulary;

namespace KvShiftScale.Data.Tests.Tokenization;

/// <summary>Merges against their definition, with vocabularies made by hand and at random.</summary>
public sealed class MergingTests
{
    [Fact]
    public void MergesTheLowestRankFirstAndTheLeftmostOfEquals()
    {
        // Ids: bc 256, ab 257, aa 258, aaaa 259.
        var tokenizer = Create(["b c", "a b", "a a", "aa aa"]);

        Assert.Equal([Id("a"), 256], tokenizer.Encode("abc"));
        Assert.Equal([257, Id("d")], tokenizer.Encode("abd"));
        Assert.Equal([258, Id("a")], tokenizer.Encode("aaa"));
        Assert.Equal([259, 258, Id("a")], tokenizer.Encode("aaaaaaa"));
        Assert.Equal([259, 258, 256], tokenizer.Encode("aaaaaabc"));
    }

    [Fact]
    public void TakesWholePiecesWhereTold()
    {
        var vocabulary = Vocabulary(["a b"]);
        vocabulary.Add("abc", 300);

        Assert.Equal([256, Id("c")], Create(vocabulary, ["a b"]).Encode("abc"));
        Assert.Equal([300], Create(vocabulary, ["a b"], takesWholePieces: true).Encode("abc"));
        Assert.Equal([256, Id("c"), Id("d")], Create(vocabulary, ["a b"], takesWholePieces: true).Encode("abcd"));
    }

    /// <summary>Short pieces, those that a heap orders, and those with many bands of ranks.</summary>
    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(5)]
    public void AgreesWithTheDefinition(int letterCount)
    {
        var random = new Random(letterCount);
        var letters = "abcde"[..letterCount];
        var merges = RandomMerges(random, letters, 60);
        var tokenizer = Create(merges);
        var ids = Vocabulary(merges);
        var ranks = merges.Select((line, rank) => (line, rank)).ToDictionary(entry => entry.line, entry => entry.rank);
        foreach (var length in new[] { 1, 2, 3, 10, 15, 16, 49, 63, 64, 65, 66, 100, 500, 1000, 3000 })
        {
            var text = RandomText(random, letters, length);
            Assert.Equal(NaiveBpe.Encode(text, ranks).Select(token => ids[token]), tokenizer.Encode(text));
        }
    }

    /// <summary>Two tokens merge where the vocabulary has them joined, the smallest id first.</summary>
    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    public void AgreesWithTheDefinitionByRanksOfTokens(int letterCount)
    {
        var random = new Random(letterCount);
        var letters = "abcd"[..letterCount];
        var ids = Vocabulary(RandomMerges(random, letters, 60));
        var (ranked, _) = RankedMerges.Of(ids);
        var tokenizer = Create(ids, [.. ranked.Select(merge => $"{merge.Left} {merge.Right}")]);
        foreach (var length in new[] { 1, 2, 5, 16, 64, 65, 200, 1000 })
        {
            var text = RandomText(random, letters, length);
            var symbols = NaiveBpe.Symbols(text);
            while (true)
            {
                var best = Enumerable.Range(0, symbols.Count - 1).Where(i => ids.ContainsKey(symbols[i] + symbols[i + 1]))
                    .OrderBy(i => ids[symbols[i] + symbols[i + 1]]).ThenBy(i => i).Select(i => (int?)i).FirstOrDefault();
                if (best is not { } at)
                {
                    break;
                }

                symbols[at] += symbols[at + 1];
                symbols.RemoveAt(at + 1);
            }

            Assert.Equal(symbols.Select(symbol => ids[symbol]), tokenizer.Encode(text));
        }
    }

    [Fact]
    public void MergesALongRunInHalves()
    {
        // Doubling merges: 2^20 letters become 2^20 / 16 tokens of 16.
        var tokenizer = Create(["a a", "aa aa", "aaaa aaaa", "aaaaaaaa aaaaaaaa"]);

        Assert.Equal(Enumerable.Repeat(259, 1 << 16), tokenizer.Encode(new string('a', 1 << 20)));
    }

    [Fact]
    public void LeavesALongPieceOfBytesWithoutMerges()
        => Assert.Equal(Enumerable.Repeat(Id("a"), 5000), Create([]).Encode(new string('a', 5000)));

    /// <summary>More different pieces than the cache holds, with few and with many ids each, met twice in two orders.</summary>
    [Fact]
    public void ForgetsPiecesWithoutHarm()
    {
        var tokenizer = Create(["a b", "ab c", "c c"], Gpt2Scanner.Instance);
        var fresh = Create(["a b", "ab c", "c c"]);
        var random = new Random(5);
        var pieces = Enumerable.Range(0, 150_000).Select(_ => " " + RandomText(random, "abcdef", random.Next(1, 15))).ToList();
        var expected = pieces.Take(200).Select(piece => fresh.Encode(piece)).ToList();

        for (var pass = 0; pass < 2; pass++)
        {
            var ids = tokenizer.Encode(string.Concat(pieces));
            Assert.Equal(expected.SelectMany(piece => piece), ids.Take(expected.Sum(piece => piece.Length)));
            Assert.Equal(string.Concat(pieces), tokenizer.Decode(ids));
        }
    }

    [Fact]
    public void GivesTheSameFromManyThreads()
    {
        string[] merges = [.. SampleTexts.Trained.MergeLines()];
        var random = new Random(41);
        var texts = Enumerable.Range(0, 4000).Select(_ => SampleTexts.WellFormed(random, 10)).ToArray();
        var shared = Create(merges, Gpt2Scanner.Instance);
        var parallel = new int[texts.Length][];
        Parallel.For(0, texts.Length, new ParallelOptions { MaxDegreeOfParallelism = 8 }, i => parallel[i] = shared.Encode(texts[i]));

        var alone = Create(merges, Gpt2Scanner.Instance);
        for (var i = 0; i < texts.Length; i++)
        {
            Assert.Equal(alone.Encode(texts[i]), parallel[i]);
        }
    }

    [Fact]
    public void RefusesAMergeThatIsListedTwice()
    {
        var error = Assert.Throws<InvalidDataException>(() => Create(["a b", "a b"]));

        Assert.Contains("merge 'a b' is listed twice", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\u0120", "0x20")]
    [InlineData("\u00E9", "0xE9")]
    public void RefusesAVocabularyWithoutAByteOfUtf8(string token, string name)
    {
        var vocabulary = Vocabulary([]);
        vocabulary.Remove(token);

        Assert.Contains(name, Assert.Throws<InvalidDataException>(() => Create(vocabulary, [])).Message, StringComparison.Ordinal);
    }

    /// <summary>The bytes C0, C1 and F5 to FF stand nowhere in UTF-8; a vocabulary that was trained on text has no token for them.</summary>
    [Fact]
    public void DoesWithoutBytesThatUtf8DoesNotHave()
    {
        var vocabulary = Vocabulary([]);
        foreach (var value in new[] { 0xC0, 0xC1, 0xF5, 0xFF })
        {
            vocabulary.Remove(NaiveBpe.Alphabet[value]);
        }

        var tokenizer = Create(vocabulary, []);
        Assert.Equal("é\U0010FFFF", tokenizer.Decode(tokenizer.Encode("é\U0010FFFF")));
    }

    /// <summary>Every byte string is encoded as what .NET reads in it: U+FFFD for each maximal part of a broken character.</summary>
    [Fact]
    public void EncodesAnyBytesAsTheirReplacement()
    {
        var tokenizer = Create([.. SampleTexts.Trained.MergeLines()], Gpt2Scanner.Instance);
        var random = new Random(6);
        for (var i = 0; i < 3000; i++)
        {
            var bytes = Encoding.UTF8.GetBytes(SampleTexts.WellFormed(random, 5));
            for (var changes = random.Next(4); changes > 0 && bytes.Length > 0; changes--)
            {
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            }

            var ids = new List<int>();
            tokenizer.EncodeUtf8(bytes, ids);
            Assert.Equal(tokenizer.Encode(Encoding.UTF8.GetString(bytes)), ids);
            Assert.Equal(Encoding.UTF8.GetString(bytes), tokenizer.Decode(ids));
        }
    }

    /// <summary>The cases of Unicode's chapter on maximal subparts, where Rust's from_utf8_lossy and WHATWG agree.</summary>
    [Theory]
    [InlineData("61 F1 80 80 E1 80 C2 62 80 63 80 BF 64", "a\uFFFD\uFFFD\uFFFDb\uFFFDc\uFFFD\uFFFDd")]
    [InlineData("C0 AF E0 80 BF F0 81 82 41", "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFDA")]
    [InlineData("ED A0 80 ED BF BF ED AF 41", "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFDA")]
    [InlineData("F4 91 92 93 FF 41 80 BF 42", "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFDA\uFFFD\uFFFDB")]
    [InlineData("E1 80 E2 F0 91 92 F1 BF 41", "\uFFFD\uFFFD\uFFFD\uFFFDA")]
    public void ReplacesEachMaximalPart(string bytes, string text)
    {
        var tokenizer = Create([]);
        var ids = new List<int>();
        tokenizer.EncodeUtf8(Convert.FromHexString(bytes.Replace(" ", "", StringComparison.Ordinal)), ids);

        Assert.Equal(text, tokenizer.Decode(ids));
    }

    [Fact]
    public void AllocatesNothingOnceItsBuffersHaveGrown()
    {
        var tokenizer = Create([.. SampleTexts.Trained.MergeLines()], Gpt2Scanner.Instance);
        var text = string.Concat(Enumerable.Repeat(string.Concat(SampleTexts.Corpus), 20));
        var ids = new List<int>();
        for (var warmUp = 0; warmUp < 3; warmUp++)
        {
            ids.Clear();
            tokenizer.Encode(text, ids);
        }

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 10; i++)
        {
            ids.Clear();
            tokenizer.Encode(text, ids);
        }

        // Ten texts of some 4,000 ids each; handing the state back and forth may cost a few objects, ids none.
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 2048);
    }

    internal static int Id(string symbol) => Array.IndexOf(NaiveBpe.SymbolsById, symbol);

    /// <summary>The bytes, then what each merge gives, from 256 on.</summary>
    internal static Dictionary<string, int> Vocabulary(IEnumerable<string> merges)
    {
        var vocabulary = new Dictionary<string, int>();
        foreach (var token in NaiveBpe.SymbolsById.Concat(merges.Select(line => line.Replace(" ", "", StringComparison.Ordinal))))
        {
            vocabulary.TryAdd(token, vocabulary.Count);
        }

        return vocabulary;
    }

    internal static TokenizerModel Create(IReadOnlyList<string> merges, params PieceSplitter[] splitters)
        => Create(Vocabulary(merges), merges, splitters: splitters);

    private static TokenizerModel Create(
        Dictionary<string, int> vocabulary, IReadOnlyList<string> merges, bool takesWholePieces = false, params PieceSplitter[] splitters)
        => new(new TokenizerDescription
        {
            Source = "test",
            Vocabulary = new Dictionary<string, int>(vocabulary) { [TrainedBpe.EndOfText] = 1000 },
            Merges = merges.Select(line => VocabularyAndMerges.ReadMerge("test", line)).ToList(),
            TakesWholePieces = takesWholePieces,
            Splitters = splitters,
            AddedTokens = [new AddedToken(TrainedBpe.EndOfText, 1000, IsSpecial: true, false, false, false, Normalized: false)],
        });

    private static string RandomText(Random random, string letters, int length)
        => string.Concat(Enumerable.Range(0, length).Select(_ => letters[random.Next(letters.Length)]));

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
}
