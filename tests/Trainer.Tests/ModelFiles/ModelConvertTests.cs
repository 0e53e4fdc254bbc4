using System.Text.Json.Nodes;
using KvShiftScale.Core;
using KvShiftScale.Testing;

namespace KvShiftScale.Trainer.Tests.ModelFiles;

/// <summary><c>model convert</c>: what goes out comes back, in every naming, type and number of files.</summary>
public sealed class ModelConvertTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void OwnNamesComeBackBitByBit()
    {
        var converted = Convert(ReferenceFiles.PathOf("kvshift"), "converted");

        Assert.Equal(ReferenceFiles.Tensors(ReferenceFiles.PathOf("kvshift")), ReferenceFiles.Tensors(converted));
        Assert.Equal("kv", (string?)Config(converted)["kv_shift"]);
        AssertLoss("kvshift", converted);
    }

    [Fact]
    public void LlamaGetsAnIdentityShiftAndLosesItAgain()
    {
        var original = ReferenceFiles.Tensors(ReferenceFiles.PathOf("llama"));
        foreach (var name in original.Keys.Where(name => name.EndsWith("inv_freq", StringComparison.Ordinal)).ToArray())
        {
            original.Remove(name);
        }

        var shifted = Convert(ReferenceFiles.PathOf("llama"), "shifted", "--dtype", "f32");
        var tensors = ReferenceFiles.Tensors(shifted);
        // Previous 0, current 1, for each of 4 heads.
        Assert.Equal($"F32 [4, 2] {string.Concat(Enumerable.Repeat("000000000000803F", 4))}", tensors["model.layers.1.self_attn.k_shift"]);
        Assert.Equal(original.Count + 6, tensors.Count);
        AssertLoss("llama", shifted);

        var back = Convert(shifted, "back", "--naming", "llama", "--dtype", "bf16");
        Assert.Equal(original, ReferenceFiles.Tensors(back));
        Assert.Equal("llama", (string?)Config(back)["model_type"]);
        Assert.Equal([2, 5], Config(back)["eos_token_id"]!.AsArray().Select(id => (int)id!));
        Assert.Null(Config(back)["kv_shift"]);
        AssertLoss("llama", back);
    }

    [Theory]
    [InlineData("baichuan")]
    [InlineData("baichuan-sliding")]
    public void BaichuanIsUnpackedAndPackedAgain(string model)
    {
        var original = ReferenceFiles.Tensors(ReferenceFiles.PathOf(model));

        var unpacked = Convert(ReferenceFiles.PathOf(model), "unpacked", "--dtype", "f32");
        Assert.StartsWith("F32 [12, 24]", ReferenceFiles.Tensors(unpacked)["model.layers.0.self_attn.k_proj.weight"]);
        Assert.StartsWith("F32 [2, 2]", ReferenceFiles.Tensors(unpacked)["model.layers.2.self_attn.v_shift"]);
        AssertLoss(model, unpacked);

        var packed = Convert(unpacked, "packed", "--naming", "baichuan", "--dtype", "f16");
        var tensors = ReferenceFiles.Tensors(packed);
        Assert.Equal(original.Keys, tensors.Keys);
        // The head went out with rows of length 1; everything else is the same again.
        Assert.All(original.Keys.Where(name => name != "lm_head.weight"), name => Assert.Equal(original[name], tensors[name]));
        Assert.NotEqual(original["lm_head.weight"], tensors["lm_head.weight"]);
        // In half precision rows of length 1 are so within 1 in 2048: the loss moves a little.
        Assert.Equal(ReferenceFiles.Expected(model).Loss, CommandRun.Evaluate(packed, ReferenceFiles.PathOf("duckdb-int64.parquet")).Loss, 2e-3);

        var exact = Convert(unpacked, "exact", "--naming", "baichuan");
        AssertLoss(model, exact);
        Assert.Equal(ReferenceFiles.Tensors(unpacked), ReferenceFiles.Tensors(Convert(exact, "again")));
    }

    [Theory]
    [InlineData("1")]
    [InlineData("20KB")]
    [InlineData("50KiB")]
    public void ShardsAreIndexedAndBounded(string size)
    {
        var sharded = Convert(ReferenceFiles.PathOf("kvshift"), "sharded", "--max-shard-size", size);

        var limit = size switch { "1" => 1, "20KB" => 20_000, _ => 50 * 1024 };
        var index = JsonNode.Parse(File.ReadAllBytes(Path.Combine(sharded, "model.safetensors.index.json")))!;
        var files = index["weight_map"]!.AsObject().GroupBy(entry => (string)entry.Value!).ToDictionary(group => group.Key, group => group.Count());
        Assert.Equal(Directory.GetFiles(sharded, "model-*").Select(Path.GetFileName).Order(), files.Keys.Order());
        Assert.All(files, file =>
        {
            var bytes = new FileInfo(Path.Combine(sharded, file.Key)).Length;
            // A tensor is never divided, and the header comes on top: at most 160 bytes a tensor here.
            Assert.True(file.Value == 1 || bytes <= limit + 8 + 64 + 160 * file.Value, $"{file.Key}: {bytes} bytes for a limit of {limit}");
        });
        Assert.Equal(size == "1", files.Values.All(count => count == 1));
        Assert.Equal(ReferenceFiles.Tensors(ReferenceFiles.PathOf("kvshift")), ReferenceFiles.Tensors(sharded));
        AssertLoss("kvshift", sharded);
        Assert.Equal(ReferenceFiles.Tensors(ReferenceFiles.PathOf("kvshift")), ReferenceFiles.Tensors(Convert(sharded, "whole")));
    }

    [Fact]
    public void HalfPrecisionRoundsToNearestAndComesBackAsIs()
    {
        foreach (var type in (string[])["bf16", "f16"])
        {
            var half = Convert(ReferenceFiles.PathOf("kvshift"), type, "--dtype", type);
            var tensors = ReferenceFiles.Tensors(half);
            Assert.All(tensors, tensor => Assert.StartsWith(tensor.Key.EndsWith("_shift", StringComparison.Ordinal) ? "F32" : type.ToUpperInvariant(), tensor.Value));
            Assert.Equal(type == "f16" ? "float16" : "bfloat16", (string?)Config(half)["torch_dtype"]);
            var wide = Convert(half, type + "-wide", "--dtype", "f32");
            Assert.Equal(tensors, ReferenceFiles.Tensors(Convert(wide, type + "-again", "--dtype", type)));
            var rounded = Values(wide);
            Assert.All(Values(ReferenceFiles.PathOf("kvshift")).Zip(rounded), pair => Assert.True(
                Math.Abs(pair.First - pair.Second) <= Math.Abs(pair.First) / (type == "f16" ? 2048 : 256) + 3e-8, $"{pair.First} became {pair.Second}"));
        }

        static float[] Values(string folder)
            => System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(
                System.Convert.FromHexString(ReferenceFiles.Tensors(folder)["model.layers.0.mlp.up_proj.weight"].Split(' ')[^1])).ToArray();
    }

    [Fact]
    public void VanillaLeavesTheShiftOut()
    {
        var vanilla = Convert(ReferenceFiles.PathOf("kvshift"), "vanilla", "--vanilla");

        Assert.DoesNotContain(ReferenceFiles.Tensors(vanilla).Keys, name => name.Contains("shift", StringComparison.Ordinal));
        Assert.Equal("none", (string?)Config(vanilla)["kv_shift"]);
        ForeignEvaluationTests.AssertClose(ReferenceFiles.Expected("kvshift", vanilla: true), CommandRun.Evaluate(vanilla, ReferenceFiles.PathOf("duckdb-int64.parquet")));
        var llama = Convert(ReferenceFiles.PathOf("kvshift"), "llama", "--vanilla", "--naming", "llama");
        ForeignEvaluationTests.AssertClose(ReferenceFiles.Expected("kvshift", vanilla: true), CommandRun.Evaluate(llama, ReferenceFiles.PathOf("duckdb-int64.parquet")));
    }

    [Fact]
    public void AFolderForTransformersHasItsClassesAndComesBackBitByBit()
    {
        var folder = Convert(ReferenceFiles.PathOf("baichuan-sliding"), "hf", "--naming", "hf", "--dtype", "f32");

        var config = Config(folder);
        Assert.Equal("kv_shift", (string?)config["model_type"]);
        Assert.Equal("kv", (string?)config["kv_shift"]);
        Assert.Equal("KvShiftForCausalLM", (string?)config["architectures"]![0]);
        Assert.NotNull(config["sliding_window"]);
        Assert.NotNull(config["swa_head_dim"]);
        // transformers looks for FILE.py in the folder and for CLASS in it.
        foreach (var key in (string[])["AutoConfig", "AutoModelForCausalLM"])
        {
            var (file, name) = ((string)config["auto_map"]![key]!).Split('.') is [var first, var second] ? (first, second) : ("", "");
            Assert.Contains($"class {name}(", File.ReadAllText(Path.Combine(folder, file + ".py")), StringComparison.Ordinal);
        }

        Assert.False((bool)JsonNode.Parse(File.ReadAllBytes(Path.Combine(folder, "generation_config.json")))!["use_cache"]!);
        AssertLoss("baichuan-sliding", folder);
        var back = Convert(folder, "back");
        Assert.Equal(ReferenceFiles.Tensors(folder), ReferenceFiles.Tensors(back));
        Assert.Null(Config(back)["auto_map"]);
        Assert.Empty(Directory.GetFiles(back, "*.py"));
    }

    // What LlamaForCausalLM computes from: a key that is missing has a default of its own there.
    [Fact]
    public void AModelWithoutAShiftIsAWholeLlama()
    {
        var llama = Convert(Convert(ReferenceFiles.PathOf("kvshift"), "none", "--vanilla"), "llama", "--naming", "llama");

        var config = Config(llama).AsObject();
        Assert.Equal("llama", (string?)config["model_type"]);
        Assert.Equal("LlamaForCausalLM", (string?)config["architectures"]![0]);
        Assert.Equal((97, 24, 3, 4, 2, 8, 40, 32), ((int)config["vocab_size"]!, (int)config["hidden_size"]!, (int)config["num_hidden_layers"]!, (int)config["num_attention_heads"]!,
            (int)config["num_key_value_heads"]!, (int)config["head_dim"]!, (int)config["intermediate_size"]!, (int)config["max_position_embeddings"]!));
        Assert.Equal((1000.0, 1e-5, "silu"), ((double)config["rope_theta"]!, (double)config["rms_norm_eps"]!, (string)config["hidden_act"]!));
        Assert.All((string[])["tie_word_embeddings", "attention_bias", "mlp_bias"], key => Assert.False((bool)config[key]!));
        Assert.True(config.ContainsKey("bos_token_id") && config.ContainsKey("eos_token_id"));
        Assert.All((string[])["kv_shift", "auto_map", "sliding_window", "rope_scaling"], key => Assert.False(config.ContainsKey(key), key));
    }

    [Theory]
    [InlineData("kvshift", "llama", "k_shift", "--vanilla")]
    [InlineData("kvshift", "baichuan", "heads of 8", "hidden size")]
    [InlineData("llama", "baichuan", "is the embedding", "length 1")]
    public void WhatANamingCannotSayIsRefused(string model, string naming, params string[] expected)
    {
        var run = CommandRun.Execute(ExitCode.Usage, "model", "convert", "--model", ReferenceFiles.PathOf(model), "--output", _folder.PathOf("out"), "--naming", naming);

        Assert.All(expected, part => Assert.Contains(part, run.Error));
        Assert.Empty(Directory.GetFileSystemEntries(_folder.Path));
    }

    [Fact]
    public void NumbersBeyondHalfPrecisionAreRefused()
    {
        var large = ReferenceFiles.Copy("kvshift", _folder.PathOf("large"));
        var weights = File.ReadAllBytes(Path.Combine(large, "model.safetensors"));
        // The first tensor's first element, behind the header and its length.
        BitConverter.TryWriteBytes(weights.AsSpan(8 + (int)BitConverter.ToInt64(weights)), 70_000f);
        File.WriteAllBytes(Path.Combine(large, "model.safetensors"), weights);

        var run = CommandRun.Execute(ExitCode.Failed, "model", "convert", "--model", large, "--output", _folder.PathOf("out"), "--dtype", "f16");

        Assert.Contains("'model.embed_tokens.weight'", run.Error);
        Assert.Contains("65504", run.Error);
        Assert.False(Directory.Exists(_folder.PathOf("out")));
        Convert(large, "bf16", "--dtype", "bf16");
    }

    private static JsonNode Config(string folder) => JsonNode.Parse(File.ReadAllBytes(Path.Combine(folder, "config.json")))!;

    private static void AssertLoss(string model, string folder)
        => ForeignEvaluationTests.AssertClose(ReferenceFiles.Expected(model), CommandRun.Evaluate(folder, ReferenceFiles.PathOf("duckdb-int64.parquet")));

    private string Convert(string folder, string name, params string[] options)
    {
        var output = _folder.PathOf(name);
        CommandRun.Execute(ExitCode.Done, ["model", "convert", "--model", folder, "--output", output, .. options]);
        return output;
    }
}
