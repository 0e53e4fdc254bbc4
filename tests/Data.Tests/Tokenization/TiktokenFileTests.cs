using KvShiftScale.Data.Tests.Text;
using KvShiftScale.Data.Tokenization;

namespace KvShiftScale.Data.Tests.Tokenization;

public sealed class TiktokenFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    /// <summary>The 256 bytes in order, then "aa" and " a".</summary>
    private static string Lines => string.Concat(
        Enumerable.Range(0, 256).Select(value => $"{Convert.ToBase64String([(byte)value])} {value}\n").Append("YWE= 256\n").Append("IGE= 257\n"));

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void KnowsPublishedEncodingsByName()
    {
        var gpt2 = TokenizerModel.Load(_folder.Write("gpt2.tiktoken", Lines));
        var cl100k = TokenizerModel.Load(_folder.Write("sub/cl100k_base.tiktoken", Lines));

        Assert.Equal((50257, 50256), (gpt2.VocabularySize, gpt2.EndOfTextId));
        Assert.Equal((100277, 100257), (cl100k.VocabularySize, cl100k.EndOfTextId));
        Assert.Equal([256, 257, 50256], gpt2.Encode("aa a<|endoftext|>", SpecialTokens.Recognized));
        Assert.Equal([256, 257, 100257], cl100k.Encode("aa a<|endoftext|>", SpecialTokens.Recognized));
        Assert.NotEqual(gpt2.Hash, cl100k.Hash);
        Assert.Equal(cl100k.Hash, TokenizerModel.Load(_folder.Path("sub")).Hash);
    }

    [Fact]
    public void ReadsItsSettingsFromTheFileBesideIt()
    {
        _folder.Write("mine.json", """{"pattern": "a|[^a]+", "special_tokens": {"</s>": 300, "<s>": 301}}""");
        var tokenizer = TokenizerModel.Load(_folder.Write("mine.tiktoken", Lines + "\n"));

        Assert.Equal([97, 97, 32, 97, 301], tokenizer.Encode("aa a<s>", SpecialTokens.Recognized));
        Assert.Equal(300, tokenizer.EndOfTextId);
    }

    [Theory]
    [InlineData("YWE=\n", "line 257: found 'YWE='")]
    [InlineData("YWE= x\n", "line 257: found 'YWE= x'")]
    [InlineData("Y!E= 256\n", "line 257: found 'Y!E= 256'")]
    [InlineData("YWE= -1\n", "line 257: found 'YWE= -1'")]
    [InlineData("YQ== 256\n", "line 257: the token of 'YQ== 256' stands twice")]
    [InlineData("YWE= 255\n", "id 255 belongs to")]
    public void RefusesADamagedLine(string line, string message)
    {
        var path = _folder.Write("gpt2.tiktoken", Lines.Replace("YWE= 256\nIGE= 257\n", line, StringComparison.Ordinal));

        Assert.Contains(message, Assert.Throws<InvalidDataException>(() => TokenizerModel.Load(path)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{")]
    [InlineData("[]")]
    [InlineData("""{"pattern": 1, "special_tokens": {}}""")]
    [InlineData("""{"pattern": "a"}""")]
    [InlineData("""{"pattern": "a", "special_tokens": {"x": "y"}}""")]
    [InlineData("""{"pattern": "(", "special_tokens": {}}""")]
    public void RefusesDamagedSettings(string settings)
    {
        _folder.Write("mine.json", settings);
        var path = _folder.Write("mine.tiktoken", Lines);

        Assert.Contains("mine.", Assert.Throws<InvalidDataException>(() => TokenizerModel.Load(path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AsksForSettingsWhereTheNameSaysNothing()
    {
        var path = _folder.Write("mine.tiktoken", Lines);

        Assert.Contains("special_tokens", Assert.Throws<FileNotFoundException>(() => TokenizerModel.Load(path)).Message, StringComparison.Ordinal);
    }
}
