using KvShiftScale.Core;
using KvShiftScale.Models.Configuration;
using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Trainer.Configuration;

namespace KvShiftScale.Trainer.Tests.Configuration;

/// <summary>Presets against the sizes that the paper and others give; nothing is allocated.</summary>
public sealed class ModelPresetsTests
{
    [Theory]
    // Tables 1 and 6 of the paper give the shapes; billions of parameters follow from them: non-embedding, untied, tied. Scalars are 4 a kv head.
    [InlineData("kvshift-1.5b", 1.417, 1.564, 1.490, 1792)]
    [InlineData("kvshift-2.9b", 2.643, 2.888, 2.765, 512)]
    [InlineData("kvshift-6.7b", 6.476, 6.771, 6.624, 4096)]
    [InlineData("kvshift-13b", 12.688, 13.057, 12.873, 6400)]
    [InlineData("kvshift-19b", 18.422, 19.012, 18.717, 768)]
    public void PaperModelsHaveThePapersSizes(string preset, double nonEmbedding, double untied, double tied, long scalars)
    {
        var model = Preset(preset);
        var vanilla = model with { KvShift = KvShiftVariant.None };

        Assert.False(model.TieEmbeddings);
        // Given to three decimals.
        Assert.Equal(nonEmbedding, ModelCost.NonEmbeddingParameters(model) / 1e9, 0.0005);
        Assert.Equal(untied, ModelCost.Parameters(model) / 1e9, 0.0005);
        Assert.Equal(tied, ModelCost.Parameters(model with { TieEmbeddings = true }) / 1e9, 0.0005);
        Assert.Equal(scalars, ParameterCounts.Of(model).ShiftScalars);
        Assert.Equal(scalars, ModelCost.Parameters(model) - ModelCost.Parameters(vanilla));
        Assert.Equal(128, model.ResolvedHeadSize);
    }

    [Fact]
    public void BaichuanM1HasTheSizeOfTheReleasedWeights()
    {
        var model = Preset("baichuan-m1-14b");
        var counts = ParameterCounts.Of(model);

        Assert.Equal(800, counts.ShiftScalars);
        // What a program that loads the released weights counts without the scalars.
        Assert.Equal(14_470_763_520, counts.Total - counts.ShiftScalars);
        Assert.Equal(new AttentionShape(Heads: 20, KvHeads: 2, HeadSize: 256, Window: 0), model.Attention(0));
        Assert.Equal(new AttentionShape(Heads: 40, KvHeads: 8, HeadSize: 128, Window: 8192), model.Attention(39));
    }

    [Fact]
    public void InductionModelsAreTheStatedToys()
    {
        var depth = Preset("induction-depth");
        Assert.Equal((1024, 8000, 1), (depth.HiddenSize, depth.VocabSize, depth.Layers));
        // "About 20M", of the vanilla model of 2 layers.
        Assert.Equal(20e6, ModelCost.NonEmbeddingParameters(depth with { Layers = 2, KvShift = KvShiftVariant.None }), 1e6);
        Assert.Equal(8, Preset("induction-width").HiddenSize);
    }

    [Fact]
    public void FieldsBesideAPresetOverrideIt()
    {
        var model = Read("{preset: kvshift-19b, kv_shift: none, layers: 2}", "model.heads=12").Model;

        var expected = ModelPresets.Find("kvshift-19b")! with { KvShift = KvShiftVariant.None, Layers = 2, Heads = 12 };
        Assert.Equal(expected, model);
        Assert.Equal("kvshift-19b", model.Preset);
    }

    [Fact]
    public void APresetOfTheCommandLineStaysBelowTheFilesFields()
    {
        var model = Read("{layers: 3}", "model.preset=kvshift-13b").Model;

        Assert.Equal((3, 5120), (model.Layers, model.HiddenSize));
    }

    [Fact]
    public void TheResolvedConfigurationSpellsEverythingOut()
    {
        var config = Read("{preset: baichuan-m1-14b, layers: 6}");

        var text = RunConfigWriter.Write(config);

        Assert.Contains("\n  preset: baichuan-m1-14b\n  vocab_size: 133120\n  hidden_size: 5120\n  layers: 6\n  heads: 20\n", text);
        Assert.Contains("\n  sliding_window: 8192\n  sliding_heads: 40\n  sliding_kv_heads: 8\n  sliding_head_size: 128\n", text);
        Assert.Equal(config.Model, RunConfigReader.Parse(text, "written.yaml", []).Model);
    }

    [Theory]
    [InlineData("{preset: kvshift-19}", "")]
    [InlineData("{layers: 2}", "model.preset=kvshift-19")]
    public void AnUnknownPresetIsToldWithTheList(string section, string setting)
    {
        var fault = Assert.Single(Assert.Throws<ConfigException>(() => Read(section, setting)).Faults);

        Assert.Equal(("model.preset", "kvshift-19"), (fault.Key, fault.Value));
        Assert.All(ModelPresets.Names, name => Assert.Contains(name, fault.Rule));
        Assert.Contains("kvshift-19b", fault.Remedy);
        Assert.NotNull(fault.Position);
    }

    [Fact]
    public void EveryPresetIsAModelOfItsOwn()
    {
        Assert.Equal(8, ModelPresets.Names.Count);
        Assert.All(ModelPresets.Names, name => RunConfigRules.Check(Read($"{{preset: {name}}}"), ranks: 1));
        Assert.Equal(ModelPresets.Names.Count, ModelPresets.Names.Select(name => Preset(name) with { Preset = null }).Distinct().Count());
    }

    private static ModelConfig Preset(string name) => ModelPresets.Find(name)!;

    private static RunConfig Read(string model, string setting = "")
        => RunConfigReader.Parse($"run: {{name: a, steps: 1}}\nmodel: {model}\ndata: {{train: [a]}}\n", "a.yaml",
            setting.Length == 0 ? [] : [ConfigOverride.Parse(setting)]);
}
