using System.Buffers;
using KvShiftScale.Data.Tokenization;
using KvShiftScale.Data.Tokenization.Merging;
using KvShiftScale.Data.Tokenization.Normalization;
using KvShiftScale.Data.Tokenization.Splitting;
using KvShiftScale.Data.Tokenization.Vocabulary;
using Microsoft.ML.Tokenizers;

namespace KvShiftScale.Data.Tests.Tokenization;

/// <summary>A tokenizer used as the package's <see cref="Tokenizer"/>.</summary>
public sealed class PackageApiTests
{
    [Fact]
    public void GivesValuesAndOffsets()
    {
        // The four bytes of the face are merged two and two; "é" stays two bytes.
        var face = NaiveBpe.Symbols("😀");
        var accented = NaiveBpe.Symbols("é");
        Tokenizer tokenizer = MergingTests.Create([$"{face[0]} {face[1]}", $"{face[2]} {face[3]}"]);
        var tokens = tokenizer.EncodeToTokens("x é😀", out var normalized);

        Assert.Null(normalized);
        Assert.Equal(
            ["x", "\u0120", accented[0], accented[1], face[0] + face[1], face[2] + face[3]], tokens.Select(token => token.Value));
        Assert.Equal([0..1, 1..2, 2..3, 2..3, 3..5, 3..5], tokens.Select(token => token.Offset));
        Assert.Equal(tokenizer.EncodeToIds("x é😀"), tokens.Select(token => token.Id));
        Assert.Equal(6, tokenizer.CountTokens("x é😀"));
        Assert.Equal(6, tokenizer.CountTokens("x é😀".AsSpan()));
    }

    [Fact]
    public void GivesOffsetsInTheNormalizedText()
    {
        var vocabulary = Enumerable.Range(0, 256).ToDictionary(value => SymbolTable.ByteToken((byte)value), value => value);
        foreach (var token in new[] { "▁", "a", "b", "▁a", "</s>", "<k>" })
        {
            vocabulary.Add(token, vocabulary.Count);
        }

        Tokenizer tokenizer = new TokenizerModel(new TokenizerDescription
        {
            Source = "test",
            Vocabulary = vocabulary,
            Merges = [("▁", "a")],
            Symbols = SymbolKind.CharactersOrBytes,
            Metaspace = MetaspaceRule.Always,
            Splitters = [new MetaspaceScanner(keepRuns: false)],
            AddedTokens = [new AddedToken("<k>", 261, IsSpecial: false, false, TakesBlanksBefore: true, false, Normalized: false)],
        });
        var tokens = tokenizer.EncodeToTokens("a é  <k>b", out var normalized);

        Assert.Equal("▁a▁é  <k>▁b", normalized);
        Assert.Equal(["▁a", "▁", "<0xC3>", "<0xA9>", "<k>", "▁", "b"], tokens.Select(token => token.Value));
        Assert.Equal([0..2, 2..3, 3..4, 3..4, 4..9, 9..10, 10..11], tokens.Select(token => token.Offset));
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
        Tokenizer tokenizer = MergingTests.Create([]);
        var ids = tokenizer.EncodeToIds("aé😀b", limit, out _, out var charsConsumed);

        Assert.Equal((tokenCount, charCount), (ids.Count, charsConsumed));
        Assert.Equal("aé😀b"[..charCount], tokenizer.Decode(ids));
    }

    [Fact]
    public void RefusesALimitOfZero()
        => Assert.Throws<ArgumentOutOfRangeException>(() => MergingTests.Create([]).EncodeToIds("a", 0, out _, out _));

    [Fact]
    public void EncodesHalfASurrogatePairAsTheReplacementCharacter()
    {
        Assert.Equal(MergingTests.Create([]).EncodeToIds("a\uFFFD"), MergingTests.Create([]).EncodeToIds("a\uD800"));
        Assert.Equal([0..1, 1..2, 1..2, 1..2], MergingTests.Create([]).EncodeToTokens("a\uD800", out _).Select(token => token.Offset));
    }

    [Fact]
    public void DecodesIntoABufferAndSaysHowFarItCame()
    {
        var tokenizer = MergingTests.Create([]);
        var ids = tokenizer.Encode("aé😀");

        Assert.Equal((OperationStatus.Done, 7, "aé😀"), DecodeInto(tokenizer, ids, 4));
        Assert.Equal((OperationStatus.DestinationTooSmall, 3, "aé"), DecodeInto(tokenizer, ids, 3));
        Assert.Equal((OperationStatus.NeedMoreData, 3, "aé"), DecodeInto(tokenizer, ids[..5], 9));
        Assert.Equal((OperationStatus.InvalidData, 1, "a"), DecodeInto(tokenizer, [ids[0], 5000], 9));
    }

    private static (OperationStatus Status, int IdsConsumed, string Text) DecodeInto(Tokenizer tokenizer, int[] ids, int length)
    {
        var destination = new char[length];
        var status = tokenizer.Decode(ids, destination, out var idsConsumed, out var charsWritten);
        return (status, idsConsumed, new string(destination, 0, charsWritten));
    }
}
