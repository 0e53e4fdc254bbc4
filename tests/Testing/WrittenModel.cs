using KvShiftScale.Checkpoints.ModelFolders;
using KvShiftScale.Checkpoints.Safetensors;
using KvShiftScale.Models;

namespace KvShiftScale.Testing;

/// <summary>A small model as a folder: what training saves, without training.</summary>
internal static class WrittenModel
{
    /// <summary>Writes configuration, weights in float32 and a copy of the tokenizer.</summary>
    public static void Write(string directory, KvShiftTransformer model, string? tokenizerPath)
    {
        using (var writer = new SafetensorsWriter(Path.Combine(directory, WeightFiles.SingleFileName),
            model.Parameters.Slots.Select(slot => new SafetensorsEntry(slot.Name, SafetensorsType.F32, slot.Shape))))
        {
            foreach (var entry in writer.Entries)
            {
                using var values = model.Parameters.Slots.Single(slot => slot.Name == entry.Name).Parameter.detach();
                writer.Write(entry.Name, values.bytes);
            }

            writer.Complete();
        }

        var companions = ModelCompanions.OfRun(tokenizerPath, predecessor: null);
        companions.WriteTo(directory, companions.Describe(new ModelDescription(model.Config, model.Context)));
    }
}
