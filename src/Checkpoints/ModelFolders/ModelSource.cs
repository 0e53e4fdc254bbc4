using KvShiftScale.Models;
using KvShiftScale.Models.Configuration;
using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Parameters;
using static TorchSharp.torch;

namespace KvShiftScale.Checkpoints.ModelFolders;

/// <summary>
/// An open model folder: what it describes, and its weights, which are read when a model is built. A checkpoint is one too, with its weights in
/// slices and more files.
/// </summary>
public sealed class ModelSource : IDisposable
{
    private const long BucketBytes = 32L << 20;

    // A file may lack a head or the shift, and be stored once where the configuration says twice; never more than this.
    private const long ToleratedElements = 64L << 20;

    private ModelSource(string directory, ModelDescription description, WeightFiles files, bool lacksShift)
    {
        Directory = directory;
        Description = description;
        Files = files;
        LacksShift = lacksShift;
    }

    /// <summary>The folder.</summary>
    public string Directory { get; }

    /// <summary>What config.json says, with the kind of shift that the tensors show where it says nothing.</summary>
    public ModelDescription Description { get; }

    /// <summary>The files of weights.</summary>
    public WeightFiles Files { get; }

    /// <summary>A vanilla transformer of another program: a model built of it has KV shift that shifts nothing yet.</summary>
    public bool LacksShift { get; }

    /// <summary>What a person should know about how the folder was read; null where there is nothing to say.</summary>
    public string? Note => string.Join("\nkvshift: ", Notes()) is { Length: > 0 } notes ? notes : null;

    /// <summary>Opens a folder and checks that description and files can belong together.</summary>
    /// <exception cref="FileNotFoundException">A file is missing.</exception>
    /// <exception cref="InvalidDataException">A file is damaged, or the files contradict each other.</exception>
    public static ModelSource Open(string directory)
    {
        var description = ModelDescription.Read(directory);
        var files = WeightFiles.Open(directory);
        try
        {
            var lacksShift = false;
            if (!description.StatesShift)
            {
                var variant = VariantOf(files);
                lacksShift = variant is null;
                description = description with { Model = description.Model with { KvShift = variant ?? KvShiftVariant.Kv } };
            }
            CheckSize(directory, description.Model, files);
            return new ModelSource(directory, description, files, lacksShift);
        }
        catch
        {
            files.Dispose();
            throw;
        }
    }

    /// <summary>Opens a folder, builds its model and closes it: <see cref="Open"/> and <see cref="Build"/> say what can fail.</summary>
    public static KvShiftTransformer Read(string directory, int? context = null)
    {
        using var source = Open(directory);
        return source.Build(context: context);
    }

    /// <summary>A model in host memory with the folder's weights.</summary>
    /// <param name="vanilla">Leave the shift out, whatever the folder has.</param>
    /// <param name="context">Longest sequence; null for the folder's own.</param>
    /// <exception cref="InvalidDataException">The weights do not fit the configuration.</exception>
    public KvShiftTransformer Build(bool vanilla = false, int? context = null)
    {
        var model = NewModel(vanilla, context ?? Description.Context);
        try
        {
            var weights = WeightsOf(model.Plan);
            weights.Fill(model.Parameters.Slots);
            weights.FillMissingWithIdentity(model.Parameters.Slots);
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>A model of the folder's shape whose parameters have no values, and take no memory before they are written.</summary>
    public KvShiftTransformer NewModel(bool vanilla, int context)
        => new(vanilla ? Description.Model with { KvShift = KvShiftVariant.None } : Description.Model,
            new ParameterBuckets(ComputeDevice.Host(ScalarType.Float32), BucketBytes), context);

    /// <summary>The folder's weights for a model of its shape.</summary>
    /// <param name="plan">The model's parameters.</param>
    /// <param name="mayLackShift">A model that shifts may come from a folder that does not.</param>
    public FolderWeights WeightsOf(ParameterPlan plan, bool mayLackShift = false)
        => new(Files, Description, [.. plan.Parameters.Select(parameter => (parameter.Name, parameter.Shape))], LacksShift || mayLackShift);

    public void Dispose() => Files.Dispose();

    private IEnumerable<string> Notes()
    {
        if (LacksShift)
        {
            yield return $"{Directory} has no shift tensors; its KV shift is the identity (previous token 0, current token 1), which computes the vanilla transformer";
        }

        if (Description.Naming == ModelNaming.Baichuan)
        {
            yield return $"{Directory} has Baichuan-M1's names; rows of the output head are scaled to length 1 as its class does";
        }

        if (Files.Names.Count(WeightLayout.IsDerived) is > 0 and var derived)
        {
            yield return $"{Directory} has {derived} tensor(s) rotary_emb.inv_freq, which are not read: the rotary frequencies follow from rope_theta";
        }

        if (Description.UnknownKeys.Count > 0)
        {
            yield return $"{Path.Combine(Directory, ModelDescription.FileName)} has keys that are not understood and change nothing here: {string.Join(", ", Description.UnknownKeys)}";
        }
    }

    // What is shifted, from the tensors of the first layer; null where nothing is.
    private static KvShiftVariant? VariantOf(WeightFiles files)
    {
        string Name(char which) => $"model.layers.0.self_attn.{which}_shift";
        bool Has(char which) => files.Contains(Name(which));
        if (!files.Names.Any(WeightLayout.IsStoredShift))
        {
            return null;
        }

        return (Has('q'), Has('k'), Has('v')) switch
        {
            (true, true, true) => KvShiftVariant.Qkv,
            (false, true, false) => KvShiftVariant.K,
            (false, false, true) => KvShiftVariant.V,
            (false, true, true) => files.Entry(Name('k')).Shape switch
            {
                [_, 1] => KvShiftVariant.Gate,
                [_, 3] => KvShiftVariant.Window3,
                [_, 4] => KvShiftVariant.Window4,
                _ => KvShiftVariant.Kv,
            },
            _ => throw new InvalidDataException(
                $"{files.Source}: has shift tensors, but none that fit in layer 0; wanted {Name('k')} and {Name('v')}, or kv_shift in {ModelDescription.FileName}"),
        };
    }

    // The configuration alone must not make this program allocate: only what the files have is worth room.
    private static void CheckSize(string directory, ModelConfig model, WeightFiles files)
    {
        var asked = model.Layers > files.Names.Count ? long.MaxValue : ModelCost.Parameters(model);
        if (asked / 2 <= files.ElementCount + ToleratedElements)
        {
            return;
        }

        throw new InvalidDataException(
            $"{Path.Combine(directory, ModelDescription.FileName)} describes a model of {(asked == long.MaxValue ? $"{model.Layers} layers" : $"{asked} parameters")}, and "
            + $"{files.Source} has {files.Names.Count} tensors of {files.ElementCount} elements. The two do not belong together.");
    }
}
