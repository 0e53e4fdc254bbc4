using KvShiftScale.Checkpoints.Manifests;
using KvShiftScale.Models;
using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Optimization;
using KvShiftScale.Parallel.Parameters;
using static TorchSharp.torch;

namespace KvShiftScale.Checkpoints.Slices;

/// <summary>Elements of a global tensor that a rank holds, side by side in its memory.</summary>
/// <param name="Name">Name of the global tensor.</param>
/// <param name="Shape">Its shape.</param>
/// <param name="Runs">Which elements.</param>
/// <param name="Values">Flat view of them.</param>
internal sealed record HeldSlice(string Name, IReadOnlyList<long> Shape, ElementRuns Runs, Tensor Values)
{
    /// <summary>
    /// What this rank saves. Over all ranks that is every element of every parameter (master copies where there are such) and moment,
    /// once: the ranks of one copy of the parameters have different parts, and among replicas each saves what it updates, or, where all
    /// update everything, an equal part.
    /// </summary>
    /// <returns>Views that belong to the current dispose scope.</returns>
    public static IReadOnlyList<HeldSlice> ToSave(KvShiftTransformer model, AdamW optimizer, ProcessGroup replicas)
    {
        if (model.Parameters.IsShared)
        {
            return Updated(model, optimizer);
        }

        var slots = model.Parameters.Slots.Where(slot => slot.Shard.IsPrimary).ToList();
        var total = slots.Sum(slot => slot.Shard.ElementCount);
        var (begin, end) = (PartOf(total, replicas.Rank), PartOf(total, replicas.Rank + 1));
        var slices = new List<HeldSlice>();
        var first = 0L;
        foreach (var slot in slots)
        {
            var count = slot.Shard.ElementCount;
            slices.AddRange(Of(slot, optimizer, Math.Max(begin - first, 0), Math.Min(end - first, count)));
            first += count;
        }
        return slices;

        long PartOf(long elements, int rank) => (long)((Int128)elements * rank / replicas.Size);
    }

    /// <summary>Everything that this rank updates, of the parameters that count here.</summary>
    public static IReadOnlyList<HeldSlice> Updated(KvShiftTransformer model, AdamW optimizer)
        => [.. model.Parameters.Slots.Where(slot => slot.Shard.IsPrimary).SelectMany(slot => Of(slot, optimizer, 0, slot.Shard.ElementCount))];

    // Elements begin to end of what this rank holds of a parameter, so far as it updates them.
    private static IEnumerable<HeldSlice> Of(ParameterSlot slot, AdamW optimizer, long begin, long end)
    {
        if (end <= begin || optimizer.StateOf(slot) is not { } state)
        {
            yield break;
        }

        (begin, end) = (Math.Max(begin, state.Start), Math.Min(end, state.Start + state.Length));
        if (end <= begin)
        {
            yield break;
        }

        var weights = state.Master ?? slot.Parameter.detach().view(-1).narrow(0, state.Start, state.Length);
        foreach (var (local, runs) in slot.Shard.RunsOf(begin, end - begin))
        {
            yield return New("", weights);
            yield return New(CheckpointTensor.ExpAvgPrefix, state.ExpAvg);
            yield return New(CheckpointTensor.ExpAvgSqPrefix, state.ExpAvgSq);

            HeldSlice New(string prefix, Tensor values)
                => new(prefix + slot.Name, slot.Shard.GlobalShape, runs, values.narrow(0, local - state.Start, runs.ElementCount));
        }
    }
}
