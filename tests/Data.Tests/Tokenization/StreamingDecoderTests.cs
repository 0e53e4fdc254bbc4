using KvShiftScale.Data.Tests.Text;
using KvShiftScale.Data.Tokenization;
using KvShiftScale.Data.Tokenization.Files;
using KvShiftScale.Data.Tokenization.Training;

namespace KvShiftScale.Data.Tests.Tokenization;

public sealed class StreamingDecoderTests
{
    /// <summary>257 ids: a byte each, so that a character of n bytes needs n ids.</summary>
    private static TokenizerModel BytesOnly()
    {
        using var folder = new TemporaryFolder();
        TokenizerFolder.Save(ByteLevelBpeTrainer.Train([], 257), folder.Root);
        return TokenizerModel.Load(folder.Root);
    }

    [Fact]
    public void WaitsUntilACharacterIsWhole()
    {
        var tokenizer = BytesOnly();
        var decoder = new StreamingDecoder(tokenizer);

        Assert.Equal(["a", "", "é", "", "", "", "😀", "!"], tokenizer.Encode("aé😀!").Select(decoder.Append));
        Assert.Equal("", decoder.Flush());
    }

    [Fact]
    public void EndsABrokenCharacterAndBeginsAnew()
    {
        var tokenizer = BytesOnly();
        var decoder = new StreamingDecoder(tokenizer);
        var ids = tokenizer.Encode("😀");

        Assert.Equal(["", ""], ids.Take(2).Select(decoder.Append));
        Assert.Equal("\uFFFD", decoder.Flush());
        Assert.Equal("😀", string.Concat(ids.Select(decoder.Append)));
    }

    [Fact]
    public void AddsUpToTheWholeTextForAnyIds()
    {
        var tokenizer = BytesOnly();
        var random = new Random(21);
        for (var i = 0; i < 500; i++)
        {
            var decoder = new StreamingDecoder(tokenizer);
            // Random bytes are mostly broken UTF-8.
            var ids = Enumerable.Range(0, 20).Select(_ => random.Next(tokenizer.VocabularySize)).ToList();

            Assert.Equal(tokenizer.Decode(ids), string.Concat(ids.Select(decoder.Append)) + decoder.Flush());
        }
    }
}
