using KvShiftScale.Checkpoints.ModelFolders;
using KvShiftScale.Core;
using KvShiftScale.Models;
using KvShiftScale.Models.Configuration;

namespace KvShiftScale.Trainer.Training;

/// <summary>A new run that begins with the weights of a model folder, <c>run.initialize_from</c>.</summary>
internal static class InitialModel
{
    private const string Key = "run.initialize_from";

    /// <summary>
    /// Replaces a model's initial weights by those of a folder of the same shape. A folder without shift scalars, such as a Llama
    /// checkpoint, leaves the model's own as <c>model.kv_shift_init</c> made them.
    /// </summary>
    /// <returns>What a person should know.</returns>
    /// <exception cref="ConfigException">There is no such folder, or its model has another shape.</exception>
    /// <exception cref="InvalidDataException">A file of the folder is damaged.</exception>
    public static string Load(string directory, KvShiftTransformer model)
    {
        if (!Directory.Exists(directory))
        {
            throw new ConfigException(new ConfigFault(Key, directory, "must be a model folder",
                "check the path, or remove the key to begin with random weights"));
        }

        using var source = ModelSource.Open(directory);
        var stored = source.Description.Model;
        var lacksShift = source.LacksShift || stored.KvShift == KvShiftVariant.None;
        var comparable = stored with { KvShift = lacksShift ? model.Config.KvShift : stored.KvShift };
        if (ShapeDifference.Between(comparable, model.Config) is { Count: > 0 } differences)
        {
            throw new ConfigException(new ConfigFault(Key, directory,
                $"must hold a model of the shape that the model section has; there {ShapeDifference.Describe(differences)}",
                $"set {string.Join(", ", differences.Select(difference => $"{difference.Key}: {difference.Stored}"))}, or name another folder"));
        }

        var weights = source.WeightsOf(model.Plan, mayLackShift: lacksShift);
        weights.Fill(model.Parameters.Slots);
        return weights.Missing.Count == 0
            ? $"weights from {directory}"
            : $"weights from {directory}, which has no shift: its {weights.Missing.Count} tensors of scalars begin as model.kv_shift_init says";
    }
}
