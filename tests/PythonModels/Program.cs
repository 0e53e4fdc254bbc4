using System.Runtime.InteropServices;
using System.Text.Json;
using KvShiftScale.Checkpoints.ModelFolders;
using KvShiftScale.Core.Configuration;
using KvShiftScale.Models;
using KvShiftScale.Models.Configuration;
using KvShiftScale.Models.Initialization;
using KvShiftScale.Models.Layout;
using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Parameters;
using KvShiftScale.Testing;
using static TorchSharp.torch;

namespace KvShiftScale.PythonModels;

/// <summary>
/// Writes model folders as <c>model convert --naming hf</c> does, one for each variant of the shift and a few shapes, and into each <c>logits.json</c>:
/// ids [rows, tokens] and what this program computes of them, logits [rows, tokens, vocabulary].
/// </summary>
internal static class Program
{
    private const int Rows = 2;
    private const int Tokens = 24;

    private static readonly ModelConfig Shape = new()
    {
        VocabSize = 61,
        HiddenSize = 32,
        Layers = 3,
        Heads = 4,
        KvHeads = 2,
        HeadSize = 12,
        FfnSize = 48,
        Init = WeightInitialization.FanIn,
    };

    /// <param name="args">The folder to write into.</param>
    private static void Main(string[] args)
    {
        var seed = 1;
        foreach (var variant in Enum.GetValues<KvShiftVariant>())
        {
            Write(args[0], ConfigKeys.NameOf(variant.ToString()), Shape with { KvShift = variant }, seed++);
        }

        Write(args[0], "tied", Shape with { TieEmbeddings = true }, seed++);
        Write(args[0], "sliding", Shape with { SlidingWindow = 5, SlidingHeads = 6, SlidingKvHeads = 3, SlidingHeadSize = 8, RopeBase = 1e6, NormEpsilon = 1e-5 }, seed++);
        Write(args[0], "in-files", Shape, seed++, maxShardBytes: 8 << 10);
        Write(args[0], "llama", Shape with { KvShift = KvShiftVariant.None }, seed, ModelNaming.Llama);
    }

    private static void Write(string root, string name, ModelConfig config, int seed, ModelNaming naming = ModelNaming.HuggingFace, long maxShardBytes = 1 << 30)
    {
        using var model = new KvShiftTransformer(config, new ParameterBuckets(ComputeDevice.Host(ScalarType.Float32), 1 << 20), Tokens);
        model.Initialize(seed);
        using var mode = no_grad();
        using var scope = NewDisposeScope();
        foreach (var scalars in model.Parameters.Slots.Where(slot => slot.Name.EndsWith("_shift", StringComparison.Ordinal)))
        {
            // From [0, 1) to both sides of it, so that what is clipped shows.
            scalars.Parameter.detach().mul_(3).sub_(1);
        }

        using var plain = new TemporaryFolder();
        WrittenModel.Write(plain.Path, model, tokenizerPath: null);
        using var source = ModelSource.Open(plain.Path);
        var folder = Path.Combine(root, name);
        new ModelExport(source, new ExportOptions(naming, null, maxShardBytes, DropShift: false)).Write(folder);

        var ids = Enumerable.Range(0, Rows * Tokens).Select(i => (i * 17 + i * i % 13) % config.VocabSize).ToArray();
        using var layout = new TokenLayout(Rows, Tokens, tensor(Enumerable.Range(0, Rows * Tokens).Select(i => i % Tokens).ToArray()));
        var logits = MemoryMarshal.Cast<byte, float>(model.Logits(tensor(ids), layout).contiguous().bytes).ToArray();
        File.WriteAllText(Path.Combine(folder, "logits.json"), JsonSerializer.Serialize(new
        {
            ids = ids.Chunk(Tokens),
            logits = logits.Chunk(config.VocabSize).Chunk(Tokens),
        }));
    }
}
