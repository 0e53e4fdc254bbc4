using KvShiftScale.Data.Tests.Text;
using KvShiftScale.Data.Tokenization;
using KvShiftScale.Data.Tokenization.Files;
using Microsoft.ML.Tokenizers;

namespace KvShiftScale.Data.Tests.Tokenization;

/// <summary>Published encodings by name: their published ids, and those of the package that their ranks come from.</summary>
public sealed class PresetTests : IDisposable
{
    private static readonly string[] Texts = [.. File.ReadLines(StoredTexts.PathOf("texts.jsonl")).Select(StoredTexts.Read)];

    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string> Names => ["cl100k_base", "o200k_base", "r50k_base", "gpt2"];

    public void Dispose() => _folder.Dispose();

    /// <summary>As OpenAI's documentation of tiktoken lists them.</summary>
    [Theory]
    [InlineData("r50k_base", "antidisestablishmentarianism", new[] { 415, 29207, 44390, 3699, 1042 })]
    [InlineData("cl100k_base", "antidisestablishmentarianism", new[] { 519, 85342, 34500, 479, 8997, 2191 })]
    [InlineData("o200k_base", "antidisestablishmentarianism", new[] { 493, 129901, 376, 160388, 21203, 2367 })]
    [InlineData("r50k_base", "2 + 2 = 4", new[] { 17, 1343, 362, 796, 604 })]
    [InlineData("cl100k_base", "2 + 2 = 4", new[] { 17, 489, 220, 17, 284, 220, 19 })]
    [InlineData("o200k_base", "2 + 2 = 4", new[] { 17, 659, 220, 17, 314, 220, 19 })]
    [InlineData("cl100k_base", "hello world", new[] { 15339, 1917 })]
    [InlineData("o200k_base", "hello world", new[] { 24912, 2375 })]
    [InlineData("gpt2", "hello world", new[] { 31373, 995 })]
    [InlineData("gpt2", "Hello, my dog is cute", new[] { 15496, 11, 616, 3290, 318, 13779 })]
    public void GivesPublishedIds(string name, string text, int[] ids)
    {
        var tokenizer = TokenizerModel.Load(name);

        Assert.Equal(ids, tokenizer.Encode(text));
        Assert.Equal(text, tokenizer.Decode(ids));
    }

    [Theory]
    [InlineData("r50k_base", 50257, "<|endoftext|>", 50256)]
    [InlineData("gpt2", 50257, "<|endoftext|>", 50256)]
    [InlineData("cl100k_base", 100277, "<|endoftext|>", 100257)]
    [InlineData("cl100k_base", 100277, "<|fim_prefix|>", 100258)]
    [InlineData("cl100k_base", 100277, "<|fim_middle|>", 100259)]
    [InlineData("cl100k_base", 100277, "<|fim_suffix|>", 100260)]
    [InlineData("cl100k_base", 100277, "<|endofprompt|>", 100276)]
    [InlineData("o200k_base", 200019, "<|endoftext|>", 199999)]
    [InlineData("o200k_base", 200019, "<|endofprompt|>", 200018)]
    public void HasThePublishedSpecialTokens(string name, int vocabularySize, string token, int id)
    {
        var tokenizer = TokenizerModel.Load(name);

        Assert.Equal(vocabularySize, tokenizer.VocabularySize);
        Assert.Equal([id], tokenizer.Encode(token, SpecialTokens.Recognized));
        Assert.Equal(id, tokenizer.FindToken(token));
        Assert.DoesNotContain(id, tokenizer.Encode(token));
        Assert.Equal(tokenizer.FindToken("<|endoftext|>"), tokenizer.EndOfTextId);
        Assert.Null(tokenizer.BeginOfTextId);
    }

    /// <summary>The package sees UTF-16 units and .NET's rule of case, so only text of the first plane without U+017F is the same for both.</summary>
    [Theory]
    [MemberData(nameof(Names))]
    public void AgreesWithThePackage(string name)
    {
        var tokenizer = TokenizerModel.Load(name);
        var package = name == "gpt2" ? TiktokenTokenizer.CreateForModel("gpt2") : TiktokenTokenizer.CreateForEncoding(name);
        var count = 0;
        foreach (var text in Texts.Where(text => !text.Any(character => char.IsSurrogate(character) || character == '\u017F')))
        {
            Assert.Equal(package.EncodeToIds(text), tokenizer.Encode(text, SpecialTokens.Recognized));
            count++;
        }

        Assert.InRange(count, 40, Texts.Length);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void IsTheSameTokenizerFromTheFilesOfItsModels(string name)
    {
        var (named, written) = (TokenizerModel.Load(name), TokenizerModel.Load(Written(name)));

        Assert.Equal(named.Hash, written.Hash);
        Assert.Equal(named.VocabularySize, written.VocabularySize);
        Assert.Equal(named.EndOfTextId, written.EndOfTextId);
        foreach (var text in Texts)
        {
            Assert.Equal(named.Encode(text, SpecialTokens.Recognized), written.Encode(text, SpecialTokens.Recognized));
        }
    }

    [Theory]
    [InlineData("cl100k")]
    [InlineData("GPT2")]
    [InlineData("p50k_base")]
    public void ListsTheNamesWhereOneIsUnknown(string name)
    {
        var error = Assert.Throws<FileNotFoundException>(() => TokenizerModel.Load(name));

        Assert.Contains("cl100k_base, o200k_base, r50k_base, gpt2", error.Message, StringComparison.Ordinal);
    }

    /// <summary>Shards of versions that had no merges of a tiktoken file carry another hash.</summary>
    [Fact]
    public void IsNamedByTheHashOfEarlierVersions()
    {
        var tokenizer = TokenizerModel.Load(StoredTexts.PathOf("ranks.tiktoken"));

        Assert.NotEqual("ee6f4421da4b5f49", tokenizer.Hash);
        Assert.True(tokenizer.IsNamedBy(tokenizer.Hash));
        Assert.True(tokenizer.IsNamedBy("ee6f4421da4b5f49"));
        Assert.False(tokenizer.IsNamedBy(TokenizerModel.Load(StoredTexts.PathOf("bytes.json")).Hash));
    }

    /// <summary>What other programs can read from a tiktoken file, and what they would take otherwise.</summary>
    [Fact]
    public void ATiktokenFileTravelsAsTokenizerJsonWhereThatMeansTheSame()
    {
        Assert.Equal(["tokenizer.json"], TokenizerFolder.FilesOf(StoredTexts.PathOf("ranks.tiktoken")).Keys);

        var lines = File.ReadAllText(StoredTexts.PathOf("ranks.tiktoken"));
        var path = _folder.Write("mine/mine.tiktoken", lines);
        _folder.Write("mine/mine.json", """{"pattern": "\\p{N}{1,3}+|\\P{N}+$|.", "special_tokens": {"<|endoftext|>": 1756}}""");
        foreach (var source in new[] { path, _folder.Path("mine") })
        {
            var files = TokenizerFolder.FilesOf(source);
            Assert.Equal(["mine.json", "mine.tiktoken"], files.Keys.Order(StringComparer.Ordinal));
            Assert.Equal(lines, System.Text.Encoding.UTF8.GetString(files["mine.tiktoken"]));
        }
    }

    /// <summary>The folder that a model with this tokenizer gets.</summary>
    private string Written(string name)
    {
        foreach (var (file, content) in TokenizerFolder.FilesOf(name))
        {
            Directory.CreateDirectory(_folder.Path(name));
            File.WriteAllBytes(_folder.Path($"{name}/{file}"), content);
        }

        return _folder.Path(name);
    }
}
