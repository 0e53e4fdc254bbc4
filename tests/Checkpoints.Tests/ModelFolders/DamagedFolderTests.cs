using System.Text.Json.Nodes;
using KvShiftScale.Checkpoints.ModelFolders;
using KvShiftScale.Checkpoints.Safetensors;
using KvShiftScale.Testing;

namespace KvShiftScale.Checkpoints.Tests.ModelFolders;

/// <summary>Folders whose files contradict each other end with a message that names file and tensor.</summary>
public sealed class DamagedFolderTests : IDisposable
{
    private const string Index = WeightFiles.IndexFileName;
    private const string Second = "model-00002-of-00003.safetensors";

    private readonly TemporaryFolder _folder = new();
    private readonly string _sharded;
    private readonly string _single;

    public DamagedFolderTests()
    {
        _sharded = ReferenceFiles.Copy("llama", _folder.PathOf("sharded"));
        _single = ReferenceFiles.Copy("kvshift", _folder.PathOf("single"));
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void MissingFileIsNamedWithATensorOfIt()
    {
        File.Delete(Path.Combine(_sharded, Second));

        var error = Assert.Throws<FileNotFoundException>(() => Open(_sharded)).Message;

        Assert.Contains(Path.Combine(_sharded, Index), error);
        Assert.Contains(Second, error);
        Assert.Contains("'model.", error);
    }

    [Theory]
    [InlineData("../secret.safetensors")]
    [InlineData("/etc/model.safetensors")]
    [InlineData("below/model.safetensors")]
    [InlineData("..\\secret.safetensors")]
    [InlineData("..")]
    [InlineData("")]
    public void PathThatLeavesTheFolderIsRefused(string file)
    {
        // It is there, and would fit: only its place is wrong.
        File.Copy(Path.Combine(_sharded, Second), _folder.PathOf("secret.safetensors"));
        EditIndex(map => map["model.norm.weight"] = file);

        var error = Assert.Throws<InvalidDataException>(() => Open(_sharded)).Message;

        Assert.StartsWith(Path.Combine(_sharded, Index), error);
        Assert.Contains("'model.norm.weight'", error);
        Assert.Contains("in this folder", error);
    }

    [Fact]
    public void TensorInAnotherFileThanTheIndexSaysIsNamed()
    {
        EditIndex(map => map["model.norm.weight"] = (string)map["model.norm.weight"]! == Second ? "model-00001-of-00003.safetensors" : Second);

        var error = Assert.Throws<InvalidDataException>(() => Open(_sharded)).Message;

        Assert.Contains("'model.norm.weight'", error);
        Assert.Contains("says that it is in", error);
    }

    [Fact]
    public void TensorThatOnlyTheIndexHasIsNamed()
    {
        EditIndex(map => map["model.layers.9.extra.weight"] = Second);

        Assert.Contains("no tensor 'model.layers.9.extra.weight'", Assert.Throws<InvalidDataException>(() => Open(_sharded)).Message);
    }

    [Fact]
    public void TensorThatOnlyAFileHasIsNamed()
    {
        EditIndex(map => map.Remove("model.norm.weight"));

        Assert.Contains("'model.norm.weight' is not in model.safetensors.index.json", Assert.Throws<InvalidDataException>(() => Open(_sharded)).Message);
    }

    [Fact]
    public void TensorInTwoFilesIsNamed()
    {
        // The third file is replaced by a second copy of the second.
        File.Copy(Path.Combine(_sharded, Second), Path.Combine(_sharded, "model-00003-of-00003.safetensors"), overwrite: true);

        var error = Assert.Throws<InvalidDataException>(() => Open(_sharded)).Message;

        Assert.Contains("model-00003-of-00003.safetensors", error);
        Assert.Contains("tensor '", error);
    }

    [Fact]
    public void TensorTwiceInTheIndexIsRefused()
    {
        var path = Path.Combine(_sharded, Index);
        File.WriteAllText(path, File.ReadAllText(path).Replace("\"weight_map\": {", $"\"weight_map\": {{ \"model.norm.weight\": \"{Second}\","));

        var error = Assert.Throws<InvalidDataException>(() => Open(_sharded)).Message;

        Assert.StartsWith(path, error);
        Assert.Contains("'model.norm.weight' stands twice", error);
    }

    [Fact]
    public void SingleFileBesideAnIndexIsRefused()
    {
        File.Copy(Path.Combine(_single, "model.safetensors"), Path.Combine(_sharded, "model.safetensors"));

        Assert.Contains("delete the one that is out of date", Assert.Throws<InvalidDataException>(() => Open(_sharded)).Message);
    }

    [Fact]
    public void FolderOfPickledWeightsIsExplained()
    {
        File.Move(Path.Combine(_single, "model.safetensors"), Path.Combine(_single, "pytorch_model.bin"));

        var error = Assert.Throws<FileNotFoundException>(() => Open(_single)).Message;

        Assert.Contains("model.safetensors", error);
        Assert.Contains("pytorch_model.bin is a pickled checkpoint", error);
    }

    [Theory]
    [InlineData("num_hidden_layers", 4, "has no tensor 'model.layers.3.")]
    [InlineData("num_hidden_layers", 2, "'model.layers.2.input_layernorm.weight' (F32 [24]) has no place")]
    [InlineData("intermediate_size", 41, "'model.layers.0.mlp.gate_proj.weight' is F32 [40, 24]; config.json makes it [41, 24]")]
    [InlineData("vocab_size", 98, "'model.embed_tokens.weight' is F32 [97, 24]")]
    [InlineData("num_key_value_heads", 4, "'model.layers.0.self_attn.k_proj.weight' is F32 [16, 24]")]
    [InlineData("vocab_size", 16_000_000, "describes a model of 76")]
    [InlineData("num_hidden_layers", 4000, "describes a model of 4000 layers")]
    [InlineData("intermediate_size", 16_000_000, "describes a model of")]
    [InlineData("hidden_size", 2_000_000_000, "'hidden_size' is 2000000000; wanted a whole number from 1 to")]
    [InlineData("num_key_value_heads", 3, "model.kv_heads = 3: must divide")]
    [InlineData("head_dim", 7, "must be even")]
    public void ConfigurationThatDoesNotFitTheWeightsIsNamed(string key, int value, string expected)
    {
        EditConfig(_single, config => config[key] = value);
        var before = GC.GetAllocatedBytesForCurrentThread();

        var error = Assert.Throws<InvalidDataException>(() =>
        {
            using var source = ModelSource.Open(_single);
            source.Build().Dispose();
        }).Message;

        Assert.StartsWith(_single, error);
        Assert.Contains(expected, error);
        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 8 << 20);
    }

    [Fact]
    public void MissingHeadSuggestsTiedEmbeddings()
    {
        EditConfig(_sharded, config => config["tie_word_embeddings"] = false);

        var error = Assert.Throws<InvalidDataException>(() => Build(_sharded)).Message;

        Assert.Contains("no tensor 'lm_head.weight' [97, 24]", error);
        Assert.Contains("tie_word_embeddings: true", error);
    }

    [Fact]
    public void MissingShiftScalarsAreNamedWhereOthersAreThere()
    {
        Rewrite(_single, tensors => tensors.Remove("model.layers.1.self_attn.v_shift"));

        Assert.Contains("no tensor 'model.layers.1.self_attn.v_shift' [2, 2]", Assert.Throws<InvalidDataException>(() => Build(_single)).Message);
    }

    [Fact]
    public void ABiasIsRefused()
    {
        Rewrite(_single, tensors => tensors.Add("model.layers.1.self_attn.q_proj.bias", (SafetensorsType.F32, [4], new byte[16])));

        var error = Assert.Throws<InvalidDataException>(() => Build(_single)).Message;

        Assert.Contains("'model.layers.1.self_attn.q_proj.bias' (F32 [4]) has no place", error);
    }

    [Theory]
    [InlineData("model.layers.1.self_attn.k_proj.bias", "[16]", "A part of the model would be left out")]
    [InlineData("model.layers.1.self_attn.q_norm.weight", "[8]", "A part of the model would be left out")]
    [InlineData("model.layers.3.input_layernorm.weight", "[24]", "It says num_hidden_layers: 3, so that layers from 3 on would be left out")]
    [InlineData("model.layers.1.self_attn.q_shift", "[4, 2]", "A part of the model would be left out")]
    [InlineData("model.layers.0.self_attn.conv_k", "[2]", "A part of the model would be left out")]
    [InlineData("score.weight", "[2, 24]", "A part of the model would be left out")]
    public void EveryTensorThatNothingReadsIsNamed(string name, string shape, string reason)
    {
        long[] extents = [.. shape.Trim('[', ']').Split(',').Select(long.Parse)];
        Rewrite(_single, tensors => tensors.Add(name, (SafetensorsType.F32, extents, new byte[4 * extents.Aggregate(1L, (product, extent) => product * extent)])));

        var error = Assert.Throws<InvalidDataException>(() => Build(_single)).Message;

        Assert.Contains($"'{name}' (F32 {shape}) has no place", error);
        Assert.Contains(reason, error);
    }

    [Fact]
    public void SeveralTensorsThatNothingReadsAreNamedAndCounted()
    {
        EditConfig(_single, config => config["num_hidden_layers"] = 1);

        var error = Assert.Throws<InvalidDataException>(() => Build(_single)).Message;

        Assert.Contains("'model.layers.1.input_layernorm.weight'", error);
        Assert.Contains("Nor have 'model.layers.1.mlp.down_proj.weight', ", error);
        // Of 22 the first, eight beside it, and the rest as a number.
        Assert.Contains(" and 13 more.", error);
    }

    [Theory]
    [InlineData("none", "'model.layers.0.self_attn.k_shift' (F32 [2, 2]) has no place", "It says kv_shift: none")]
    [InlineData("v", "'model.layers.0.self_attn.k_shift' (F32 [2, 2]) has no place", "")]
    [InlineData("window3", "'model.layers.0.self_attn.k_shift' is F32 [2, 2]; config.json makes it [2, 3]", "")]
    [InlineData("gate", "'model.layers.0.self_attn.k_shift' is F32 [2, 2]; config.json makes it [2, 1]", "")]
    [InlineData("qkv", "has no tensor 'model.layers.0.self_attn.q_shift'", "")]
    public void ShiftThatTheConfigurationContradictsIsNamed(string variant, string expected, string reason)
    {
        EditConfig(_single, config => config["kv_shift"] = variant);

        var error = Assert.Throws<InvalidDataException>(() => Build(_single)).Message;

        Assert.Contains(expected, error);
        Assert.Contains(reason, error);
    }

    [Fact]
    public void FrequenciesThatTheConfigurationGivesAreLeftOutWithAWord()
    {
        using var source = ModelSource.Open(_sharded);
        source.Build().Dispose();

        Assert.Contains("has 3 tensor(s) rotary_emb.inv_freq, which are not read", source.Note);
    }

    [Fact]
    public void KeysThatNobodyHereKnowsAreNamedAndKept()
    {
        EditConfig(_sharded, config =>
        {
            config["frobnication_depth"] = 7;
            config["pad_token_id"] = 0;
            config["use_cache"] = true;
            config["another_feature"] = false;
        });
        using var source = ModelSource.Open(_sharded);

        Assert.EndsWith("has keys that are not understood and change nothing here: frobnication_depth", source.Note);
        Assert.Equal(7, (int)source.Description.Others["frobnication_depth"]!);
    }

    [Fact]
    public void HeadThatIsTheEmbeddingIsDropped()
    {
        EditConfig(_single, config => config["tie_word_embeddings"] = true);
        Rewrite(_single, tensors => tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"]);

        using var source = ModelSource.Open(_single);
        using var model = source.Build();

        Assert.DoesNotContain(model.Parameters.Slots, slot => slot.Name == "lm_head.weight");
    }

    // The same numbers in another element type, so far as it holds them.
    [Fact]
    public void HeadThatIsTheEmbeddingInAnotherTypeIsDropped()
    {
        EditConfig(_single, config => config["tie_word_embeddings"] = true);
        Rewrite(_single, tensors =>
        {
            var embedding = tensors["model.embed_tokens.weight"];
            var values = System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(embedding.Bytes).ToArray();
            var wide = values.SelectMany(value => BitConverter.GetBytes((double)value)).ToArray();
            tensors["lm_head.weight"] = (SafetensorsType.F64, embedding.Shape, wide);
        });

        Build(_single);
    }

    [Theory]
    [InlineData("other values", "from row 0 on")]
    [InlineData("one row", "from row 96 on")]
    [InlineData("other shape", "(F32 [4, 24]) is not 'model.embed_tokens.weight' (F32 [97, 24])")]
    public void AnotherHeadBesideTiedEmbeddingsIsRefused(string kind, string expected)
    {
        EditConfig(_single, config => config["tie_word_embeddings"] = true);
        Rewrite(_single, tensors =>
        {
            var embedding = tensors["model.embed_tokens.weight"];
            if (kind == "one row")
            {
                var bytes = embedding.Bytes.ToArray();
                bytes[^1] ^= 1;
                tensors["lm_head.weight"] = embedding with { Bytes = bytes };
            }
            else if (kind == "other shape")
            {
                tensors["lm_head.weight"] = (SafetensorsType.F32, [4, 24], new byte[4 * 4 * 24]);
            }
        });

        var error = Assert.Throws<InvalidDataException>(() => Build(_single)).Message;

        Assert.Contains("'lm_head.weight'", error);
        Assert.Contains(expected, error);
        Assert.Contains("tie_word_embeddings: false", error);
    }

    [Fact]
    public void IntegersAreNoWeights()
    {
        Rewrite(_single, tensors => tensors["model.norm.weight"] = (SafetensorsType.I32, [24], new byte[96]));

        Assert.Contains("'model.norm.weight' holds I32", Assert.Throws<InvalidDataException>(() => Build(_single)).Message);
    }

    private static void Open(string folder) => ModelSource.Open(folder).Dispose();

    private static void Build(string folder)
    {
        using var source = ModelSource.Open(folder);
        source.Build().Dispose();
    }

    private static void EditConfig(string folder, Action<JsonObject> edit) => Edit(Path.Combine(folder, "config.json"), edit);

    private void EditIndex(Action<JsonObject> edit) => Edit(Path.Combine(_sharded, Index), json => edit(json["weight_map"]!.AsObject()));

    private static void Edit(string path, Action<JsonObject> edit)
    {
        var json = JsonNode.Parse(File.ReadAllBytes(path))!.AsObject();
        edit(json);
        File.WriteAllText(path, json.ToJsonString());
    }

    private static void Rewrite(string folder, Action<Dictionary<string, (SafetensorsType Type, long[] Shape, byte[] Bytes)>> edit)
    {
        var path = Path.Combine(folder, WeightFiles.SingleFileName);
        var tensors = new Dictionary<string, (SafetensorsType Type, long[] Shape, byte[] Bytes)>();
        using (var reader = SafetensorsReader.Open(path))
        {
            foreach (var entry in reader.Entries)
            {
                var bytes = new byte[entry.ByteCount];
                reader.Read(entry.Name, bytes);
                tensors.Add(entry.Name, (entry.Type, [.. entry.Shape], bytes));
            }
        }
        edit(tensors);
        using var writer = new SafetensorsWriter(path, tensors.Select(tensor => new SafetensorsEntry(tensor.Key, tensor.Value.Type, tensor.Value.Shape)));
        foreach (var entry in writer.Entries)
        {
            writer.Write(entry.Name, tensors[entry.Name].Bytes);
        }

        writer.Complete();
    }
}
