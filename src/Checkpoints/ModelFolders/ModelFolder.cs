using KvShiftScale.Checkpoints.Safetensors;
using KvShiftScale.Models;
using static TorchSharp.torch;

namespace KvShiftScale.Checkpoints.ModelFolders;

/// <summary>
/// A model on disk: config.json, weights and its tokenizer's files. A checkpoint is one too, with its weights in slices and more files.
/// </summary>
public static class ModelFolder
{
    /// <summary>Writes configuration, weights and a copy of the tokenizer.</summary>
    public static void Write(string directory, KvShiftTransformer model, string? tokenizerPath)
    {
        Directory.CreateDirectory(directory);
        TensorFile.Write(Path.Combine(directory, WeightFiles.SingleFileName),
            [.. model.Parameters.Slots.Select(slot => (slot.Name, slot.Shape, (Tensor)slot.Parameter))],
            new Dictionary<string, string> { ["format"] = "pt" });
        var companions = ModelCompanions.OfRun(tokenizerPath, predecessor: null);
        companions.WriteTo(directory, companions.Describe(new ModelDescription(model.Config, model.Context)));
    }

    /// <summary>Reads a model in host memory.</summary>
    /// <param name="directory">The folder.</param>
    /// <param name="vanilla">Leave the shift out, whatever the folder says.</param>
    /// <param name="context">Longest sequence; null for the folder's own.</param>
    /// <exception cref="InvalidDataException">A file is damaged, or the weights do not fit the configuration.</exception>
    public static KvShiftTransformer Read(string directory, bool vanilla = false, int? context = null)
    {
        using var source = ModelSource.Open(directory);
        return source.Build(vanilla, context);
    }
}
