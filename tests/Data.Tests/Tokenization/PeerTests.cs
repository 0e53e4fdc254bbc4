using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using KvShiftScale.Data.Tests.Text;
using KvShiftScale.Data.Tokenization;

namespace KvShiftScale.Data.Tests.Tokenization;

/// <summary>Ids against those of Hugging Face's tokenizers, which files/generate.mjs has stored.</summary>
public sealed class PeerTests : IDisposable
{
    private static readonly JsonObject Cases = JsonNode.Parse(File.ReadAllText(StoredFile("cases.json")))!.AsObject();

    private static readonly JsonObject Golden = JsonNode.Parse(File.ReadAllText(StoredFile("golden.json")))!.AsObject();

    private static readonly byte[][] Texts = [.. File.ReadLines(StoredFile("texts.jsonl")).Select(ReadText)];

    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string> CaseNames => [.. Cases.Select(entry => entry.Key)];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(CaseNames))]
    public void GivesTheIdsOfThePeer(string name) => AssertGolden(name, Load(name));

    /// <summary>The ids of the case "ranks" come from a list of merges; a tiktoken file has only the ranks of tokens.</summary>
    [Fact]
    public void GivesTheSameIdsFromATiktokenFile() => AssertGolden("ranks", TokenizerModel.Load(StoredFile("ranks.tiktoken")));

    /// <summary>Where nothing is normalized and no added token swallows blanks, decoding is the inverse of encoding.</summary>
    [Theory]
    [InlineData("gpt-2")]
    [InlineData("cl100k")]
    [InlineData("whole pieces")]
    [InlineData("o200k")]
    [InlineData("three splits")]
    [InlineData("ranks")]
    public void DecodesToTheText(string name)
    {
        var tokenizer = Load(name);
        foreach (var text in Texts.Select(Encoding.UTF8.GetString))
        {
            Assert.Equal(text, tokenizer.Decode(tokenizer.Encode(text)));
            Assert.Equal(text, tokenizer.Decode(tokenizer.Encode(text, SpecialTokens.Recognized)));
        }
    }

    /// <summary>U+2581 stands for a blank in these files, so it cannot stand for itself.</summary>
    [Fact]
    public void DecodesToTheTextButForTheSignOfABlank()
    {
        var tokenizer = Load("llama 2");
        foreach (var text in Texts.Select(Encoding.UTF8.GetString))
        {
            Assert.Equal(text.Replace('\u2581', ' '), tokenizer.Decode(tokenizer.Encode(text)));
        }
    }

    private static string StoredFile(string name) => Path.Combine(AppContext.BaseDirectory, "Tokenization", "files", name);

    private static byte[] ReadText(string line)
    {
        var node = JsonNode.Parse(line)!;
        return node.GetValueKind() == JsonValueKind.String
            ? Encoding.UTF8.GetBytes(node.GetValue<string>())
            : Convert.FromBase64String(node["base64"]!.GetValue<string>());
    }

    private static void AssertGolden(string name, TokenizerModel tokenizer)
    {
        var golden = Golden[name]!.AsArray();
        Assert.Equal(golden.Count, Texts.Length);
        var wrong = new List<string>();
        for (var i = 0; i < Texts.Length; i++)
        {
            var ids = new List<int>();
            tokenizer.EncodeUtf8(Texts[i], ids, SpecialTokens.Recognized);
            if (Digest(ids) != golden[i]!.GetValue<string>())
            {
                wrong.Add($"text {i}: {Digest(ids)}, wanted {golden[i]}; {JsonSerializer.Serialize(Encoding.UTF8.GetString(Texts[i]))}");
            }

            Assert.Equal(ids, tokenizer.Encode(Encoding.UTF8.GetString(Texts[i]), SpecialTokens.Recognized));
        }

        Assert.True(wrong.Count == 0, $"{wrong.Count} of {Texts.Length} texts have other ids in the case '{name}':\n{string.Join('\n', wrong)}");
    }

    private static string Digest(List<int> ids)
    {
        var hash = SHA256.HashData(MemoryMarshal.AsBytes(CollectionsMarshal.AsSpan(ids)));
        return string.Create(CultureInfo.InvariantCulture, $"{ids.Count} {Convert.ToHexStringLower(hash.AsSpan(0, 8))}");
    }

    /// <summary>The tokenizer.json that a case makes of its base, as files/generate.mjs does.</summary>
    private TokenizerModel Load(string name)
    {
        var root = JsonNode.Parse(File.ReadAllText(StoredFile($"{Cases[name]!["base"]}.json")))!.AsObject();
        foreach (var (key, value) in Cases[name]!["changes"]?.AsObject() ?? [])
        {
            if (key != "model")
            {
                root[key] = value?.DeepClone();
                continue;
            }

            foreach (var (modelKey, modelValue) in value!.AsObject())
            {
                if (modelKey != "vocab")
                {
                    root["model"]![modelKey] = modelValue?.DeepClone();
                    continue;
                }

                foreach (var (token, id) in modelValue!.AsObject())
                {
                    root["model"]!["vocab"]![token] = id!.DeepClone();
                }
            }
        }

        return TokenizerModel.Load(_folder.Write("tokenizer.json", root.ToJsonString()));
    }
}
