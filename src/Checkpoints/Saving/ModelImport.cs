using KvShiftScale.Checkpoints.Folders;
using KvShiftScale.Checkpoints.Manifests;
using KvShiftScale.Checkpoints.ModelFolders;
using KvShiftScale.Checkpoints.Slices;
using KvShiftScale.Models;
using KvShiftScale.Parallel.Parameters;
using static TorchSharp.torch;

namespace KvShiftScale.Checkpoints.Saving;

/// <summary>A model folder as a checkpoint of step 0 with a fresh optimizer.</summary>
public static class ModelImport
{
    /// <summary>Writes the checkpoint.</summary>
    /// <param name="folder">Where to.</param>
    /// <param name="source">The model folder.</param>
    /// <param name="model">The model that was built of it.</param>
    /// <param name="documents">What belongs to the checkpoint beside the tensors.</param>
    /// <exception cref="IOException">The disk refuses.</exception>
    public static Checkpoint Write(CheckpointFolder folder, ModelSource source, KvShiftTransformer model, IReadOnlyList<CheckpointDocument> documents)
    {
        using var scope = NewDisposeScope();
        using var draft = folder.Begin(0);
        var (file, tensors) = SliceFile.Write(draft.PathOf(SliceFile.NameOf(rank: 0)), [.. model.Parameters.Slots.Select(slot =>
            new HeldSlice(slot.Name, slot.Shape, ElementRuns.Consecutive(0, slot.Shard.ElementCount), slot.Parameter.detach().view(-1)))], get_num_threads());
        var companions = ModelCompanions.OfFolder(source.Directory, source.Description);
        companions.WriteTo(draft.Directory, companions.Describe(new ModelDescription(model.Config, model.Context)));
        draft.Add(documents);
        return draft.Commit(new CheckpointContent { Versions = CheckpointSaver.Versions, Tensors = CheckpointTensor.Join(tensors) }, [file]);
    }
}
