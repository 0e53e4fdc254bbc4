using System.Text.Json.Nodes;
using KvShiftScale.Data.Tests.Text;
using KvShiftScale.Data.Tokenization;
using KvShiftScale.Data.Tokenization.Files;

namespace KvShiftScale.Data.Tests.Tokenization;

/// <summary>Which files of a folder count, and which tokens end and begin documents by them.</summary>
public sealed class TokenizerFilesTests : IDisposable
{
    // Ids 0 to 348 are bytes and merges, 349 is <|endoftext|>.
    private const string Folder = "tokenizer";

    private readonly TemporaryFolder _folder = new();

    public TokenizerFilesTests() => TokenizerFolder.Save(SampleTexts.Trained, _folder.Path(Folder));

    private string Root => _folder.Path(Folder);

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void TokenizerJsonWinsOverVocabularyAndMerges()
    {
        Change(root =>
        {
            root["model"]!["merges"]!.AsArray().RemoveAt(92);
            Add(root, "<keep>", 350, special: false);
        });
        var tokenizer = TokenizerModel.Load(Root);

        Assert.Equal(351, tokenizer.VocabularySize);
        Assert.Contains(350, tokenizer.Encode("a<keep>b"));
        Assert.Equal(tokenizer.Hash, TokenizerModel.Load(_folder.Path($"{Folder}/tokenizer.json")).Hash);
        File.Delete(_folder.Path($"{Folder}/tokenizer.json"));
        Assert.NotEqual(tokenizer.Hash, TokenizerModel.Load(Root).Hash);
    }

    [Fact]
    public void AnEndThatStandsOnlyAmongAddedTokensIsFound()
    {
        Change(root =>
        {
            root["model"]!["vocab"]!.AsObject().Remove("<|endoftext|>");
            root["added_tokens"] = new JsonArray();
            Add(root, "</s>", 349, special: true);
        });

        Assert.Equal(349, TokenizerModel.Load(Root).EndOfTextId);
    }

    /// <summary>Each of the files that carry tokens, beside each of the forms of a vocabulary.</summary>
    [Theory]
    [InlineData("added_tokens.json", """{"<keep>": 350}""", true)]
    [InlineData("added_tokens.json", """{"<keep>": 350}""", false)]
    [InlineData("tokenizer_config.json", """{"added_tokens_decoder": {"350": {"content": "<keep>", "special": false}}}""", true)]
    [InlineData("tokenizer_config.json", """{"added_tokens_decoder": {"350": {"content": "<keep>", "special": false}}}""", false)]
    public void AddedTokensOfEveryFileAreCutOut(string file, string content, bool hasTokenizerJson)
    {
        Write(file, content);
        if (!hasTokenizerJson)
        {
            File.Delete(_folder.Path($"{Folder}/tokenizer.json"));
        }

        var tokenizer = TokenizerModel.Load(Root);

        Assert.Equal(351, tokenizer.VocabularySize);
        Assert.Equal([.. tokenizer.Encode("a "), 350, .. tokenizer.Encode("b")], tokenizer.Encode("a <keep>b"));
        Assert.Equal(349, tokenizer.EndOfTextId);
    }

    [Theory]
    [InlineData("added_tokens.json", """{"<keep>": 350}""")]
    [InlineData("special_tokens_map.json", """{"additional_special_tokens": ["<keep>"]}""")]
    [InlineData("special_tokens_map.json", """{"pad_token": {"content": "<keep>", "lstrip": false}}""")]
    [InlineData("tokenizer_config.json", """{"pad_token": "<keep>"}""")]
    public void SpecialTokensOfEveryFileAreTextUntilAskedFor(string file, string content)
    {
        Write("added_tokens.json", """{"<keep>": 350}""");
        Write("special_tokens_map.json", """{"additional_special_tokens": ["<keep>"]}""");
        Write(file, content);
        var tokenizer = TokenizerModel.Load(Root);

        Assert.DoesNotContain(350, tokenizer.Encode("a<keep>b"));
        Assert.Contains(350, tokenizer.Encode("a<keep>b", SpecialTokens.Recognized));
    }

    [Theory]
    [InlineData("added_tokens.json", """{"<|endoftext|>": 350}""", "token '<|endoftext|>' has the id 350, and in")]
    [InlineData("added_tokens.json", """{"<keep>": 5}""", "token '<keep>' has the id 5, which belongs to")]
    [InlineData("tokenizer_config.json", """{"added_tokens_decoder": {"3": {"content": "<|endoftext|>"}}}""", "has the id 3, and in")]
    [InlineData("tokenizer_config.json", """{"added_tokens_decoder": {"3": {"content": "<keep>"}}}""", "has the id 3, which belongs to")]
    [InlineData("tokenizer_config.json", """{"added_tokens_decoder": {"349": {"content": "<|endoftext|>", "lstrip": true}}}""", "has other lstrip")]
    [InlineData("tokenizer_config.json", """{"added_tokens_decoder": {"x": {"content": "<keep>"}}}""", "added_tokens_decoder.x is no token by its id")]
    [InlineData("tokenizer_config.json", """{"added_tokens_decoder": {"350": {"content": "<keep>"}}, "eos_token": 5}""", "eos_token is 5; expected a string")]
    [InlineData("added_tokens.json", "[]", "expected Object")]
    [InlineData("special_tokens_map.json", "{", "not JSON")]
    [InlineData("config.json", """{"eos_token_id": "x"}""", "eos_token_id is \"x\"; expected an id")]
    public void ContradictionsAreRefusedByName(string file, string content, string message)
    {
        Write(file, content);

        var error = Assert.Throws<InvalidDataException>(() => TokenizerModel.Load(Root));

        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        Assert.Contains(file, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void TwoFilesThatGiveOneTokenTwoIdsAreRefused()
    {
        Write("added_tokens.json", """{"<keep>": 351}""");
        Write("tokenizer_config.json", """{"added_tokens_decoder": {"350": {"content": "<keep>"}}}""");

        Assert.Contains("added_tokens.json", Assert.Throws<InvalidDataException>(() => TokenizerModel.Load(Root)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void VocabularyAndMergesAreSplitAsTheClassBesideThemDoes()
    {
        File.Delete(_folder.Path($"{Folder}/tokenizer.json"));
        var plain = TokenizerModel.Load(Root);

        Write("tokenizer_config.json", """{"tokenizer_class": "GPT2TokenizerFast"}""");
        Assert.Equal(plain.Hash, TokenizerModel.Load(Root).Hash);
        Write("tokenizer_config.json", """{"tokenizer_class": "RobertaTokenizer", "add_prefix_space": true}""");
        Assert.Equal(plain.Encode(" the"), TokenizerModel.Load(Root).Encode("the"));
        Write("tokenizer_config.json", """{"tokenizer_class": "Qwen2Tokenizer"}""");
        Assert.Equal(plain.Encode("\u00e9"), TokenizerModel.Load(Root).Encode("e\u0301"));
        Write("tokenizer_config.json", """{"tokenizer_class": "PreTrainedTokenizerFast"}""");
        Assert.Contains("is 'PreTrainedTokenizerFast', whose way to split is not known here without tokenizer.json",
            Assert.Throws<InvalidDataException>(() => TokenizerModel.Load(Root)).Message, StringComparison.Ordinal);
    }

    /// <summary>Ids 350 to 353 are special tokens, among them names that are known.</summary>
    [Theory]
    [InlineData(null, null, null, null, 349, 351)]
    [InlineData("""{"eos_token": "</s>", "bos_token": "<go>"}""", null, null, null, 350, 353)]
    [InlineData("""{"eos_token": {"content": "<stop>"}}""", null, null, null, 352, 351)]
    [InlineData(null, """{"eos_token": "</s>"}""", null, null, 350, 351)]
    [InlineData(null, """{"eos_token": {"content": "<stop>"}, "bos_token": {"content": "<go>"}}""", null, null, 352, 353)]
    [InlineData("""{"eos_token": "<stop>"}""", """{"eos_token": "<stop>"}""", """{"eos_token_id": 350}""", null, 352, 351)]
    [InlineData(null, null, """{"eos_token_id": 350, "bos_token_id": 353}""", null, 350, 353)]
    [InlineData(null, null, """{"eos_token_id": [352, 350]}""", null, 352, 351)]
    [InlineData(null, null, null, """{"eos_token_id": 352}""", 352, 351)]
    [InlineData(null, null, """{"eos_token_id": 350}""", """{"eos_token_id": [352, 350]}""", 350, 351)]
    [InlineData("""{"eos_token": null, "bos_token": null}""", null, """{"eos_token_id": null}""", """{"eos_token_id": []}""", 349, 351)]
    public void TheFolderSaysWhatEndsAndBeginsADocument(
        string? configuration, string? special, string? model, string? generation, int end, int begin)
    {
        Change(AddNames);
        (string Name, string? Content)[] files =
            [("tokenizer_config.json", configuration), ("special_tokens_map.json", special), ("config.json", model), ("generation_config.json", generation)];
        foreach (var (name, content) in files.Where(file => file.Content is not null))
        {
            Write(name, content!);
        }

        var tokenizer = TokenizerModel.Load(Root);

        Assert.Equal((end, begin), (tokenizer.EndOfTextId, tokenizer.BeginOfTextId));
        Assert.Null(tokenizer.EndOfTextMissing);
    }

    [Theory]
    [InlineData("tokenizer_config.json", """{"eos_token": "<other>"}""", "'<other>' ends a document, and no file gives that token an id")]
    [InlineData("special_tokens_map.json", """{"eos_token": "<other>"}""", "'<other>' ends a document, and no file gives that token an id")]
    [InlineData("config.json", """{"eos_token_id": 9999}""", "id 9999 ends a document, and the vocabulary has no such id")]
    public void AnEndThatIsNoTokenIsMissingAndNotGuessed(string file, string content, string message)
    {
        Write(file, content);
        var tokenizer = TokenizerModel.Load(Root);

        Assert.Null(tokenizer.EndOfTextId);
        Assert.Contains(message, tokenizer.EndOfTextMissing, StringComparison.Ordinal);
        Assert.Contains(file, tokenizer.EndOfTextMissing, StringComparison.Ordinal);
    }

    [Fact]
    public void FilesThatContradictEachOtherOnTheEndGiveNone()
    {
        Change(AddNames);
        Write("tokenizer_config.json", """{"eos_token": "</s>"}""");
        Write("special_tokens_map.json", """{"eos_token": "<stop>"}""");
        var tokenizer = TokenizerModel.Load(Root);

        Assert.Null(tokenizer.EndOfTextId);
        Assert.Contains("'</s>' ends a document, and", tokenizer.EndOfTextMissing, StringComparison.Ordinal);
        Assert.Equal(352, tokenizer.FindToken("<stop>"));
    }

    [Fact]
    public void AVocabularyWithoutAnyKnownEndIsUsable()
    {
        Change(root =>
        {
            root["model"]!["vocab"]!.AsObject().Remove("<|endoftext|>");
            root["added_tokens"] = new JsonArray();
            Add(root, "<|document_end|>", 349, special: true);
        });
        var tokenizer = TokenizerModel.Load(Root);

        Assert.Null(tokenizer.EndOfTextId);
        Assert.Contains("no file says which token ends a document", tokenizer.EndOfTextMissing, StringComparison.Ordinal);
        Assert.Equal(349, tokenizer.FindToken("<|document_end|>"));
        Assert.Equal("the tokens", tokenizer.Decode(tokenizer.Encode("the tokens")));
    }

    [Theory]
    [InlineData("349", 349)]
    [InlineData("0", 0)]
    [InlineData("<|endoftext|>", 349)]
    [InlineData("a", 64)]
    public void FindsTokensBySpellingAndById(string name, int id) => Assert.Equal(id, TokenizerModel.Load(Root).FindToken(name));

    [Theory]
    [InlineData("350", "has no id 350; its ids are below 350")]
    [InlineData("99999999999999999999", "has no id 99999999999999999999")]
    [InlineData("", "has no token ''")]
    [InlineData("<eot>", "has no token '<eot>'")]
    public void SaysWhichTokensItHasNot(string name, string message)
        => Assert.Contains(message, Assert.Throws<ArgumentException>(() => TokenizerModel.Load(Root).FindToken(name)).Message, StringComparison.Ordinal);

    [Fact]
    public void AModelGetsEveryFileThatCounts()
    {
        Write("added_tokens.json", """{"<keep>": 350}""");
        Write("tokenizer_config.json", """{"eos_token": "<keep>"}""");
        Write("special_tokens_map.json", """{"eos_token": "<keep>"}""");
        Write("notes.txt", "none of its files");
        foreach (var path in new[] { Root, _folder.Path($"{Folder}/tokenizer.json") })
        {
            var files = TokenizerFolder.FilesOf(path);
            Assert.Equal(["added_tokens.json", "merges.txt", "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json", "vocab.json"],
                files.Keys.Order(StringComparer.Ordinal));
        }

        var other = File.ReadAllText(_folder.Path($"{Folder}/tokenizer.json"));
        Assert.Equal(["tokenizer.json"], TokenizerFolder.FilesOf(_folder.Write("other.json", other)).Keys);
    }

    private static void AddNames(JsonNode root)
    {
        Add(root, "</s>", 350, special: true);
        Add(root, "<s>", 351, special: true);
        Add(root, "<stop>", 352, special: true);
        Add(root, "<go>", 353, special: true);
    }

    private static void Add(JsonNode root, string content, int id, bool special)
        => root["added_tokens"]!.AsArray().Add(new JsonObject { ["id"] = id, ["content"] = content, ["special"] = special });

    private void Change(Action<JsonNode> change)
    {
        var root = JsonNode.Parse(File.ReadAllText(_folder.Path($"{Folder}/tokenizer.json")))!;
        change(root);
        Write("tokenizer.json", root.ToJsonString());
    }

    private void Write(string file, string content) => _folder.Write($"{Folder}/{file}", content);
}
