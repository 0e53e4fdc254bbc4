using System.Text.Json.Nodes;
using KvShiftScale.Checkpoints.ModelFolders;
using KvShiftScale.Models.Configuration;
using KvShiftScale.Testing;

namespace KvShiftScale.Checkpoints.Tests.ModelFolders;

public sealed class ModelDescriptionTests : IDisposable
{
    // What Llama-2's published file has, and what programs since have added.
    private const string Llama =
        """
        { "architectures": ["LlamaForCausalLM"], "bos_token_id": 1, "eos_token_id": 2, "hidden_act": "silu", "hidden_size": 4096,
          "initializer_range": 0.02, "intermediate_size": 11008, "max_position_embeddings": 4096, "model_type": "llama",
          "num_attention_heads": 32, "num_hidden_layers": 32, "rms_norm_eps": 1e-05, "rope_scaling": null, "tie_word_embeddings": false,
          "vocab_size": 32000, "pretraining_tp": 1, "use_cache": true, "attention_bias": false, "torch_dtype": "float16" }
        """;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void EveryFieldOfTheShapeComesBack()
    {
        var model = new ModelConfig
        {
            VocabSize = 133,
            HiddenSize = 48,
            Layers = 5,
            Heads = 6,
            KvHeads = 3,
            HeadSize = 10,
            FfnSize = 77,
            RopeBase = 123_456.5,
            NormEpsilon = 1.25e-5,
            TieEmbeddings = true,
            InitStd = 0.0125,
        };

        var read = Read(new ModelDescription(model, 96) { StopIds = [3] }.ToJson("bfloat16"));

        Assert.Equal(model, read.Model);
        Assert.Equal(96, read.Context);
        Assert.Equal([3], read.StopIds);
        Assert.Equal(ModelNaming.KvShift, read.Naming);
    }

    [Fact]
    public void DefaultsComeBackResolved()
    {
        var model = new ModelConfig { KvShift = KvShiftVariant.None };

        Assert.Equal(model with { KvHeads = model.Heads, HeadSize = model.HiddenSize / model.Heads }, Read(new ModelDescription(model, 1024).ToJson()).Model);
    }

    [Theory]
    [InlineData(KvShiftVariant.Kv, "kv")]
    [InlineData(KvShiftVariant.K, "k")]
    [InlineData(KvShiftVariant.V, "v")]
    [InlineData(KvShiftVariant.None, "none")]
    [InlineData(KvShiftVariant.Qkv, "qkv")]
    [InlineData(KvShiftVariant.Gate, "gate")]
    [InlineData(KvShiftVariant.Clip, "clip")]
    [InlineData(KvShiftVariant.Window2, "window2")]
    [InlineData(KvShiftVariant.Window4, "window4")]
    [InlineData(KvShiftVariant.Window3, "window3")]
    public void EveryVariantHasItsName(KvShiftVariant variant, string name)
    {
        var text = new ModelDescription(new ModelConfig { KvShift = variant, KvHeads = 8, HeadSize = 64 }, 64).ToJson();

        Assert.Equal(name, (string?)JsonNode.Parse(text)!["kv_shift"]);
        Assert.Equal(variant, Read(text).Model.KvShift);
    }

    [Fact]
    public void SlidingLayersComeBack()
    {
        var model = new ModelConfig { Layers = 5, HiddenSize = 48, Heads = 4, KvHeads = 2, HeadSize = 12, SlidingWindow = 16, SlidingHeads = 6, SlidingKvHeads = 3, SlidingHeadSize = 10 };

        foreach (var naming in (ModelNaming[])[ModelNaming.KvShift, ModelNaming.Baichuan])
        {
            // Under Baichuan-M1's names the head size follows from the number of heads.
            var shape = naming == ModelNaming.Baichuan ? model with { SlidingHeadSize = 8 } : model;
            var text = new ModelDescription(shape, 64) { Naming = naming }.ToJson();
            Assert.Equal([1, 3], JsonNode.Parse(text)!["sliding_window_layers"]!.AsArray().Select(layer => (int)layer!));
            Assert.Equal(shape, Read(text).Model);
        }
    }

    [Fact]
    public void LlamasOwnFileIsRead()
    {
        var read = Read(Llama);

        Assert.Equal(ModelNaming.Llama, read.Naming);
        Assert.False(read.StatesShift);
        Assert.Equal(
            new ModelConfig
            {
                VocabSize = 32000,
                HiddenSize = 4096,
                Layers = 32,
                Heads = 32,
                KvHeads = 32,
                HeadSize = 128,
                FfnSize = 11008,
                RopeBase = 10_000,
                NormEpsilon = 1e-5,
                KvShift = KvShiftVariant.None,
            },
            read.Model);
        Assert.Equal([2], read.StopIds);
    }

    [Theory]
    [InlineData("\"rope_theta\": 5e5", 5e5)]
    [InlineData("\"rope_parameters\": {\"rope_theta\": 5e5, \"rope_type\": \"default\"}", 5e5)]
    [InlineData("\"rope_parameters\": {\"rope_theta\": 500000.0}, \"rope_theta\": 500000", 5e5)]
    [InlineData("\"rope_scaling\": {\"rope_type\": \"default\"}", 1e4)]
    [InlineData("\"sliding_window\": 4096", 1e4)]
    [InlineData("\"sliding_window\": 1024, \"use_sliding_window\": false", 1e4)]
    [InlineData("\"partial_rotary_factor\": 1.0", 1e4)]
    [InlineData("\"use_qkv_bias\": false, \"residual_multiplier\": 1.0, \"encoder_no_repeat_ngram_size\": 0, \"kv_lora_rank\": null", 1e4)]
    [InlineData("\"position_embedding_type\": \"rope\", \"hidden_activation\": \"silu\"", 1e4)]
    public void HarmlessKeysAreUnderstood(string more, double ropeBase) => Assert.Equal(ropeBase, Read(With(more)).Model.RopeBase);

    [Theory]
    [InlineData("\"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 8.0}", "'rope_scaling'", "llama3")]
    [InlineData("\"rope_scaling\": {\"type\": \"linear\", \"factor\": 2.0}", "'rope_scaling'", "linear")]
    [InlineData("\"rope_parameters\": {\"rope_type\": \"yarn\", \"rope_theta\": 10000}", "'rope_parameters'", "yarn")]
    [InlineData("\"rope_parameters\": {\"full_attention\": {\"rope_theta\": 10000}}", "'rope_parameters'", "between layers")]
    [InlineData("\"rope_parameters\": {\"rope_theta\": 5e5}, \"rope_theta\": 1e4", "500000", "wanted one base")]
    [InlineData("\"attention_bias\": true", "'attention_bias'")]
    [InlineData("\"mlp_bias\": true", "'mlp_bias'")]
    [InlineData("\"hidden_act\": \"gelu\"", "'hidden_act'", "silu")]
    [InlineData("\"attn_logit_softcapping\": 50.0", "'attn_logit_softcapping' is 50.0")]
    [InlineData("\"logit_soft_cap\": 30", "'logit_soft_cap'")]
    [InlineData("\"partial_rotary_factor\": 0.5", "'partial_rotary_factor' is 0.5")]
    [InlineData("\"rotary_pct\": 0.25", "'rotary_pct'")]
    [InlineData("\"use_qkv_bias\": true", "'use_qkv_bias' is true")]
    [InlineData("\"hidden_activation\": \"gelu_pytorch_tanh\"", "'hidden_activation' is \"gelu_pytorch_tanh\"", "silu")]
    [InlineData("\"query_pre_attn_scalar\": 256", "'query_pre_attn_scalar'")]
    [InlineData("\"embedding_multiplier\": 12.0", "'embedding_multiplier'")]
    [InlineData("\"no_rope_layers\": [1, 1, 1, 0]", "'no_rope_layers'")]
    [InlineData("\"rope_interleaved\": true", "'rope_interleaved'")]
    [InlineData("\"layer_norm_eps\": 1e-5", "'layer_norm_eps'")]
    [InlineData("\"qk_layernorm\": true", "'qk_layernorm'")]
    [InlineData("\"attention_chunk_size\": 8192", "'attention_chunk_size'")]
    [InlineData("\"kv_lora_rank\": 512", "'kv_lora_rank'")]
    [InlineData("\"num_experts_per_tok\": 2", "'num_experts_per_tok'")]
    [InlineData("\"position_embedding_type\": \"alibi\"", "'position_embedding_type'")]
    [InlineData("\"clip_qkv\": 8.0", "'clip_qkv'")]
    [InlineData("\"sliding_window_pattern\": 6", "'sliding_window_pattern'")]
    [InlineData("\"model_type\": \"gemma\"", "'model_type' is 'gemma'")]
    [InlineData("\"quantization_config\": {\"bits\": 4}", "'quantization_config'")]
    [InlineData("\"num_local_experts\": 8", "'num_local_experts'")]
    [InlineData("\"final_logit_softcapping\": 30.0", "'final_logit_softcapping'")]
    [InlineData("\"sliding_window\": 1024", "all layers slide")]
    [InlineData("\"sliding_window\": 64, \"sliding_window_layers\": [0, 2]", "layers 0, 2 slide", "odd indices")]
    [InlineData("\"num_attention_heads\": \"many\"", "'num_attention_heads' is \"many\"")]
    [InlineData("\"rms_norm_eps\": \"small\"", "'rms_norm_eps'")]
    [InlineData("\"kv_shift\": \"qq\"", "kv_shift is 'qq'", "window4")]
    [InlineData("\"num_attention_heads\": 33", "does not divide the hidden size of 4096")]
    [InlineData("\"eos_token_id\": \"</s>\"", "'eos_token_id'")]
    [InlineData("\"model_type\": \"baichuan_m1\", \"conv_window\": 3", "'conv_window' is 3")]
    public void WhatThisModelCannotDoIsRefused(string more, params string[] expected)
    {
        var error = Assert.Throws<InvalidDataException>(() => Read(With(more))).Message;

        Assert.StartsWith(_folder.PathOf("config.json"), error);
        Assert.All(expected, part => Assert.Contains(part, error));
    }

    [Theory]
    [InlineData("[]", "wanted an object")]
    [InlineData("{\"vocab_size\": 5, \"vocab_size\": 6}", "vocab_size")]
    [InlineData("{", "is not JSON")]
    [InlineData("{\"hidden_size\": 8}", "'num_attention_heads' is missing")]
    [InlineData("{\"model_type\": \"\\ud800\"}", "not Unicode")]
    public void DamagedFileIsNamed(string text, string expected)
        => Assert.Contains(expected, Assert.Throws<InvalidDataException>(() => Read(text)).Message);

    [Fact]
    public void StopIdsComeFromBothFiles()
    {
        var description = Read(With("\"eos_token_id\": [2, 7]"));
        Assert.Equal([2, 7], TokenIds.EndsOf(_folder.Path, description).Order());

        File.WriteAllText(_folder.PathOf(TokenIds.GenerationFileName), """{ "eos_token_id": [7, 11], "temperature": 0.6 }""");
        Assert.Equal([2, 7, 11], TokenIds.EndsOf(_folder.Path, description).Order());

        File.WriteAllText(_folder.PathOf(TokenIds.GenerationFileName), """{ "eos_token_id": -1 }""");
        Assert.Contains("'eos_token_id'", Assert.Throws<InvalidDataException>(() => TokenIds.EndsOf(_folder.Path, description)).Message);
    }

    // Llama's file with keys replaced or added.
    private static string With(string more)
    {
        var json = JsonNode.Parse(Llama)!.AsObject();
        foreach (var (key, value) in JsonNode.Parse("{" + more + "}")!.AsObject())
        {
            json[key] = value?.DeepClone();
        }

        return json.ToJsonString();
    }

    private ModelDescription Read(string text)
    {
        File.WriteAllText(_folder.PathOf("config.json"), text);
        return ModelDescription.Read(_folder.Path);
    }
}
