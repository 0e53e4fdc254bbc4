using System.Text.Json.Nodes;
using KvShiftScale.Data.Tests.Text;
using KvShiftScale.Data.Tokenization;
using KvShiftScale.Data.Tokenization.Files;

namespace KvShiftScale.Data.Tests.Tokenization;

public sealed class TokenizerModelTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly TokenizerModel _tokenizer;

    public TokenizerModelTests()
    {
        TokenizerFolder.Save(SampleTexts.Trained, _folder.Root);
        _tokenizer = TokenizerModel.Load(_folder.Root);
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void SavesThreeFilesAndNothingElse()
    {
        TokenizerFolder.Save(SampleTexts.Trained, _folder.Root);

        Assert.Equal(["merges.txt", "tokenizer.json", "vocab.json"], Directory.GetFiles(_folder.Root).Select(Path.GetFileName).Order());
        var merges = File.ReadAllLines(_folder.Path("merges.txt"));
        Assert.StartsWith("#version", merges[0], StringComparison.Ordinal);
        Assert.Equal(93, merges.Length - 1);
    }

    [Fact]
    public void KnowsItsSizeAndItsLastId()
    {
        Assert.Equal(350, _tokenizer.VocabularySize);
        Assert.Equal(349, _tokenizer.EndOfTextId);
        Assert.Equal("<|endoftext|>", _tokenizer.Decode([349]));
    }

    [Fact]
    public void DecodesWhatItEncodes()
    {
        var random = new Random(31);
        for (var i = 0; i < 3000; i++)
        {
            var text = SampleTexts.WellFormed(random, random.Next(30));
            Assert.Equal(text, _tokenizer.Decode(_tokenizer.Encode(text)));
        }
    }

    [Fact]
    public void GivesTheIdsOfTheDefinition()
    {
        var ids = SampleTexts.Trained.Tokens.Select((token, id) => (token, id)).ToDictionary(entry => entry.token, entry => entry.id);
        var ranks = SampleTexts.Trained.MergeLines().Select((line, rank) => (line, rank))
            .ToDictionary(entry => entry.line, entry => entry.rank);
        var random = new Random(32);
        for (var i = 0; i < 2000; i++)
        {
            var text = SampleTexts.WithinFirstPlane(random, random.Next(30));
            var expected = NaiveBpe.Gpt2Split.Matches(text)
                .SelectMany(match => NaiveBpe.Encode(match.Value, ranks)).Select(token => ids[token]);
            Assert.Equal(expected, _tokenizer.Encode(text));
        }
    }

    [Fact]
    public void KeepsTheNameOfASpecialTokenAsText()
    {
        const string text = "one<|endoftext|>two <|endoftext|>";
        var ids = _tokenizer.Encode(text);

        Assert.DoesNotContain(_tokenizer.EndOfTextId!.Value, ids);
        Assert.Equal(text, _tokenizer.Decode(ids));
    }

    [Fact]
    public void AppendsToAList()
    {
        List<int> ids = [7];
        _tokenizer.Encode("the token", ids);

        Assert.Equal([7, .. _tokenizer.Encode("the token")], ids);
    }

    [Fact]
    public void ReplacesHalfASurrogatePair() => Assert.Equal("a\uFFFDb", _tokenizer.Decode(_tokenizer.Encode("a\uD83Db")));

    [Fact]
    public void RefusesToDecodeAnUnknownId()
    {
        var error = Assert.Throws<ArgumentOutOfRangeException>(() => _tokenizer.Decode([1, 350]));

        Assert.Contains("350", error.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => _tokenizer.Decode([-1]));
    }

    [Fact]
    public void GivesTheSameFromEitherForm()
    {
        var fromJson = TokenizerModel.Load(_folder.Path("tokenizer.json"));

        AssertSame(_tokenizer, fromJson);
        File.Delete(_folder.Path("vocab.json"));
        AssertSame(_tokenizer, TokenizerModel.Load(_folder.Root));
    }

    [Fact]
    public void ReadsMergesInPairs()
    {
        AssertSame(_tokenizer, Load(root =>
        {
            var merges = root["model"]!["merges"]!.AsArray();
            for (var i = 0; i < merges.Count; i++)
            {
                var parts = merges[i]!.GetValue<string>().Split(' ');
                merges[i] = new JsonArray(parts[0], parts[1]);
            }
        }));
    }

    [Fact]
    public void ReadsSpecialTokensThatOnlyTheListOfAddedOnesHas()
    {
        AssertSame(_tokenizer, Load(root => root["model"]!["vocab"]!.AsObject().Remove("<|endoftext|>")));
        var larger = Load(root => AddToken(root, "<| pad |>", 350, special: true));

        Assert.Equal(351, larger.VocabularySize);
        Assert.Equal("<| pad |>", larger.Decode([350]));
        Assert.NotEqual(_tokenizer.Hash, larger.Hash);
    }

    [Fact]
    public void TellsVocabulariesApartByHash()
    {
        Assert.Matches("^[0-9a-f]{16}$", _tokenizer.Hash);
        Assert.NotEqual(_tokenizer.Hash, Load(root => root["model"]!["merges"]!.AsArray().RemoveAt(92)).Hash);
    }

    public static TheoryData<string, string, string> NotUnderstood => new()
    {
        { "model.type", "\"Unigram\"", "model.type is Unigram" },
        { "model.dropout", "0.1", "model.dropout is 0.1" },
        { "model.end_of_word_suffix", "\"#\"", "model.end_of_word_suffix is \"#\"" },
        { "normalizer", "{\"type\":\"NFKC\"}", "normalizer.type is NFKC" },
        { "normalizer", "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFC\"},{\"type\":\"Lowercase\"}]}", "normalizer.normalizers[1].type is Lowercase" },
        { "normalizer", "{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"a\"},\"content\":\"b\"}", "normalizer.pattern is no string" },
        { "pre_tokenizer", "null", "neither is model.byte_fallback set nor is ByteLevel" },
        { "pre_tokenizer", "{\"use_regex\":true}", "pre_tokenizer has no type" },
        { "pre_tokenizer.type", "\"Whitespace\"", "pre_tokenizer.type is Whitespace" },
        { "pre_tokenizer.add_prefix_space", "1", "pre_tokenizer.add_prefix_space is 1" },
        { "pre_tokenizer", "{\"type\":\"Metaspace\",\"replacement\":\"_\"}", "pre_tokenizer.replacement is '_'" },
        { "pre_tokenizer", SplitThenByteLevel("(", "Isolated"), "none of the published ones, and it cannot be followed exactly" },
        { "pre_tokenizer", SplitThenByteLevel("a+", "MergedWithNext"), "pre_tokenizer.pretokenizers[0] has behavior MergedWithNext" },
        { "pre_tokenizer", SplitThenByteLevel("a+", "Removed"), "pre_tokenizer.pretokenizers[0] has behavior Removed" },
        {
            "pre_tokenizer", "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"ByteLevel\"},{\"type\":\"Digits\"}]}",
            "pre_tokenizer.pretokenizers[1] comes after ByteLevel"
        },
        { "decoder.type", "\"WordPiece\"", "decoder.type is WordPiece" },
        { "added_tokens", "[{\"content\":\"x\"}]", "added_tokens[0] is" },
        { "added_tokens", "[{\"content\":\"!\",\"id\":5}]", "which is 0 in model.vocab" },
        { "model.ignore_merges", "\"yes\"", "model.ignore_merges is \"yes\"" },
        { "model.merges", "[\"a\"]", "merge 'a'" },
        { "model.merges", "[\"! !\",\"! !\"]", "token '!!' is not in the vocabulary" },
        { "model.merges", "[\"q zq\"]", "token 'zq' is not in the vocabulary" },
        { "model.merges", "[[\"a\"]]", "model.merges[0]" },
        { "model.vocab", "{\"<|endoftext|>\":349}", "for byte 0x00; byte-level BPE needs" },
        { "model.vocab", "{\"a\":\"1\"}", "token 'a' has the id 1" },
        { "model.vocab", "{\"a\":1,\"b\":1}", "id 1 belongs to" },
        { "model.vocab", "{\"\u2603\":1}", "outside the byte alphabet" },
    };

    [Theory]
    [MemberData(nameof(NotUnderstood))]
    public void RefusesByNameWhatItDoesNotUnderstand(string key, string value, string message)
    {
        var error = Assert.Throws<InvalidDataException>(() => Load(root =>
        {
            var parts = key.Split('.');
            var parent = parts.Length == 1 ? root : root[parts[0]]!;
            parent[parts[^1]] = JsonNode.Parse(value);
        }));

        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        Assert.Contains(_folder.Root, error.Message, StringComparison.Ordinal);
    }

    /// <summary>Their post-processor only adds to the ids, and files of the first years do not name the type of the model.</summary>
    [Fact]
    public void ReadsFilesOfOtherFamilies()
    {
        AssertSame(_tokenizer, Load(root =>
        {
            root["post_processor"] = JsonNode.Parse("{\"type\":\"TemplateProcessing\"}");
            root["model"]!.AsObject().Remove("type");
            root["model"]!["unk_token"] = "";
        }));
    }

    [Fact]
    public void TellsSplitsApartByHash()
    {
        var changes = new Action<JsonNode>[]
        {
            _ => { },
            root => root["pre_tokenizer"]!["use_regex"] = false,
            root => root["pre_tokenizer"]!["add_prefix_space"] = true,
            root => root["pre_tokenizer"] = JsonNode.Parse(SplitThenByteLevel("a+", "Isolated")),
            root => root["normalizer"] = JsonNode.Parse("{\"type\":\"NFC\"}"),
            root => root["model"]!["ignore_merges"] = true,
            root => AddToken(root, "zzz", 350, special: true),
            root => AddToken(root, "zzz", 350, special: false),
        };

        Assert.Equal(changes.Length, changes.Select(change => Load(change).Hash).Distinct().Count());
    }

    [Fact]
    public void CutsOutAddedTokensThatAreNotSpecial()
    {
        var tokenizer = Load(root => AddToken(root, "<keep>", 350, special: false));

        Assert.Equal([.. tokenizer.Encode("a "), 350, .. tokenizer.Encode("b")], tokenizer.Encode("a <keep>b"));
    }

    [Fact]
    public void FindsSpecialTokensOnDemand()
    {
        Assert.Equal([.. _tokenizer.Encode("a  "), 349, 349, .. _tokenizer.Encode(" b")],
            _tokenizer.Encode("a  <|endoftext|><|endoftext|> b", SpecialTokens.Recognized));
    }

    [Fact]
    public void SaysWhatIsMissing()
    {
        var empty = _folder.Path("empty");
        Directory.CreateDirectory(empty);

        AssertFails<FileNotFoundException>(empty, "expected tokenizer.json, vocab.json with merges.txt");
        AssertFails<FileNotFoundException>(_folder.Path("nowhere"), "neither a folder nor a file");
        AssertFails<InvalidDataException>(_folder.Path("vocab.json"), "no object 'model'");
        File.Delete(_folder.Path("tokenizer.json"));
        File.WriteAllText(_folder.Path("vocab.json"), "{\"a\":1");
        AssertFails<InvalidDataException>(_folder.Root, "vocab.json: not JSON");
        File.WriteAllText(_folder.Path("vocab.json"), "{\"a\":1}");
        AssertFails<InvalidDataException>(_folder.Root, "the vocabulary has no token");

        static void AssertFails<TException>(string path, string message)
            where TException : Exception
            => Assert.Contains(message, Assert.Throws<TException>(() => TokenizerModel.Load(path)).Message, StringComparison.Ordinal);
    }

    private static string SplitThenByteLevel(string expression, string behavior)
        => $$"""
            {"type":"Sequence","pretokenizers":[
              {"type":"Split","pattern":{"Regex":"{{expression}}"},"behavior":"{{behavior}}","invert":false},
              {"type":"ByteLevel","add_prefix_space":false,"use_regex":false}]}
            """;

    /// <summary>Loads tokenizer.json after a change to it.</summary>
    private TokenizerModel Load(Action<JsonNode> change)
    {
        var root = JsonNode.Parse(File.ReadAllText(_folder.Path("tokenizer.json")))!;
        change(root);
        return TokenizerModel.Load(_folder.Write("changed.json", root.ToJsonString()));
    }

    private static void AddToken(JsonNode root, string content, int id, bool special)
        => root["added_tokens"]!.AsArray().Add(new JsonObject { ["id"] = id, ["content"] = content, ["special"] = special });

    private static void AssertSame(TokenizerModel expected, TokenizerModel actual)
    {
        Assert.Equal(expected.Hash, actual.Hash);
        Assert.Equal(expected.VocabularySize, actual.VocabularySize);
        Assert.Equal(expected.EndOfTextId, actual.EndOfTextId);
        foreach (var text in SampleTexts.Corpus)
        {
            Assert.Equal(expected.Encode(text), actual.Encode(text));
        }
    }
}
