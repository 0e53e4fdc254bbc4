using KvShiftScale.Models;
using KvShiftScale.Parallel.Optimization;
using KvShiftScale.Trainer.Checkpoints;
using KvShiftScale.Trainer.ModelFiles;
using static TorchSharp.torch;

namespace KvShiftScale.Trainer.Training;

/// <summary>What a checkpoint of a training run holds: a model folder, the optimizer's moments and the run's state.</summary>
internal static class TrainingCheckpoint
{
    private const string OptimizerFileName = "optimizer.safetensors";

    /// <summary>Writes a checkpoint, durable when this returns.</summary>
    public static Checkpoint Save(CheckpointFolder folder, KvShiftTransformer model, AdamW optimizer, TrainingState state,
        string? tokenizerDirectory)
    {
        using var scope = NewDisposeScope();
        using var draft = folder.Begin(state.Step);
        ModelFolder.Write(draft.Directory, model, tokenizerDirectory);
        TensorFile.Write(draft.PathOf(OptimizerFileName), [.. model.Parameters.Slots.SelectMany(slot =>
        {
            var (_, _, _, first, second) = optimizer.StateOf(slot)!;
            return new[] { ($"exp_avg.{slot.Name}", slot.Shape, first), ($"exp_avg_sq.{slot.Name}", slot.Shape, second) };
        })]);
        File.WriteAllBytes(draft.PathOf(TrainingState.FileName), state.ToJson());
        return draft.Commit(new Dictionary<string, string>
        {
            ["kvshift"] = typeof(TrainingCheckpoint).Assembly.GetName().Version!.ToString(),
            ["torch"] = __version__,
        });
    }

    /// <summary>Fills model and optimizer from a checkpoint's folder.</summary>
    public static TrainingState Load(string checkpoint, KvShiftTransformer model, AdamW optimizer)
    {
        using var scope = NewDisposeScope();
        ModelFolder.ReadWeights(checkpoint, model);
        var path = Path.Combine(checkpoint, OptimizerFileName);
        using var reader = SafetensorsReader.Open(path);
        foreach (var slot in model.Parameters.Slots)
        {
            var (_, _, _, first, second) = optimizer.StateOf(slot)!;
            TensorFile.Read(reader, path, $"exp_avg.{slot.Name}", slot.Shape, first);
            TensorFile.Read(reader, path, $"exp_avg_sq.{slot.Name}", slot.Shape, second);
        }
        return TrainingState.Read(checkpoint);
    }
}
