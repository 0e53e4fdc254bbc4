using System.Text.Json.Nodes;
using KvShiftScale.Checkpoints.ModelFolders;
using KvShiftScale.Models;
using KvShiftScale.Models.Configuration;
using KvShiftScale.Models.Initialization;
using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Parameters;
using KvShiftScale.Testing;
using static TorchSharp.torch;

namespace KvShiftScale.Checkpoints.Tests.ModelFolders;

/// <summary>Folders of every variant of the model, and parts of folders for ranks that divide a model.</summary>
public sealed class VariantFolderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(KvShiftVariant.Kv, 0)]
    [InlineData(KvShiftVariant.K, 0)]
    [InlineData(KvShiftVariant.V, 4)]
    [InlineData(KvShiftVariant.None, 0)]
    [InlineData(KvShiftVariant.Qkv, 4)]
    [InlineData(KvShiftVariant.Gate, 0)]
    [InlineData(KvShiftVariant.Clip, 0)]
    [InlineData(KvShiftVariant.Window2, 0)]
    [InlineData(KvShiftVariant.Window3, 0)]
    [InlineData(KvShiftVariant.Window4, 4)]
    public void EveryVariantComesBackBitByBit(KvShiftVariant variant, int slidingWindow)
    {
        var config = new ModelConfig
        {
            VocabSize = 19,
            HiddenSize = 12,
            Layers = 2,
            Heads = 4,
            KvHeads = 2,
            HeadSize = 4,
            FfnSize = 10,
            KvShift = variant,
            SlidingWindow = slidingWindow,
            SlidingHeads = slidingWindow > 0 ? 6 : 0,
            SlidingKvHeads = slidingWindow > 0 ? 3 : 0,
            SlidingHeadSize = slidingWindow > 0 ? 2 : 0,
        };
        using var model = new KvShiftTransformer(config, new ParameterBuckets(ComputeDevice.Host(ScalarType.Float32), 1 << 16), context: 8);
        model.Initialize(seed: 5);
        WrittenModel.Write(_folder.Path, model, tokenizerPath: null);

        using (var read = ModelSource.Read(_folder.Path))
        {
            Assert.Equal(config, read.Config);
            AssertSameParameters(model, read);
        }

        // Without the key the tensors decide; a clipped shift, or one of two positions, looks like the free one.
        var path = _folder.PathOf("config.json");
        var json = JsonNode.Parse(File.ReadAllBytes(path))!.AsObject();
        json.Remove("kv_shift");
        File.WriteAllText(path, json.ToJsonString());
        using var source = ModelSource.Open(_folder.Path);
        Assert.Equal(variant is KvShiftVariant.Clip or KvShiftVariant.Window2 or KvShiftVariant.None ? KvShiftVariant.Kv : variant, source.Description.Model.KvShift);
        Assert.Equal(variant == KvShiftVariant.None, source.LacksShift);
        using var inferred = source.Build();
        if (variant != KvShiftVariant.None)
        {
            AssertSameParameters(model, inferred);
        }
    }

    [Theory]
    [InlineData("kvshift", "model.layers.1.self_attn.o_proj.weight", 1)]
    [InlineData("kvshift", "model.layers.2.self_attn.k_shift", 0)]
    [InlineData("kvshift", "model.embed_tokens.weight", 0)]
    [InlineData("baichuan", "model.layers.0.self_attn.v_proj.weight", 0)]
    [InlineData("baichuan", "model.layers.0.mlp.down_proj.weight", 1)]
    [InlineData("baichuan", "lm_head.weight", 0)]
    public void PartsOfTwoRanksJoinToTheWhole(string folder, string name, int axis)
    {
        using var source = ModelSource.Open(ReferenceFiles.PathOf(folder));
        using var whole = source.Build();
        using var scope = NewDisposeScope();
        var expected = whole.Parameters.Slots.Single(slot => slot.Name == name);
        // An odd vocabulary is padded to an even one.
        var extent = (expected.Shape[axis] + 1) / 2;
        var weights = source.WeightsOf(whole.Plan);
        for (var rank = 0; rank < 2; rank++)
        {
            using var buckets = new ParameterBuckets(ComputeDevice.Host(ScalarType.Float32), 1 << 20);
            var part = buckets.Create(name, weightDecay: true, ParameterShard.Part(expected.Shape, axis, rank * extent, extent));
            part.Parameter.detach().view(-1).fill_(float.NaN);

            weights.Fill(buckets.Slots);

            var valid = part.Shard.ValidExtent;
            Assert.Equal(Bytes(expected.Parameter.detach().narrow(axis, rank * extent, valid)), Bytes(part.Parameter.detach().narrow(axis, 0, valid)));
            Assert.All(Bytes(part.Parameter.detach().narrow(axis, valid, extent - valid)), value => Assert.Equal(0, value));
        }
    }

    private static void AssertSameParameters(KvShiftTransformer expected, KvShiftTransformer found)
    {
        using var scope = NewDisposeScope();
        Assert.Equal(expected.Parameters.Slots.Select(slot => slot.Name), found.Parameters.Slots.Select(slot => slot.Name));
        foreach (var (a, b) in expected.Parameters.Slots.Zip(found.Parameters.Slots))
        {
            Assert.Equal(Bytes(a.Parameter), Bytes(b.Parameter));
        }
    }

    private static byte[] Bytes(Tensor tensor) => tensor.numel() == 0 ? [] : tensor.detach().contiguous().bytes.ToArray();
}
