using System.Globalization;
using KvShiftScale.Models;
using KvShiftScale.Parallel.Control;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Parallel.Optimization;
using KvShiftScale.Parallel.Parameters;
using static TorchSharp.torch;

namespace KvShiftScale.Trainer.BadNumbers;

/// <summary>
/// Compares everything that several ranks hold the same: parameters of data- and context-parallel replicas, those that tensor-parallel
/// ranks hold whole or share, a tied embedding at both ends of a pipeline, and the optimizer's state where nobody divides it. A bit that memory or a
/// processor has changed on one rank would otherwise go into every later gradient without a word.
/// </summary>
internal sealed class ReplicaCheck(KvShiftTransformer model, AdamW optimizer, ParallelContext ranks)
{
    // What a rank without a parameter says instead of where its part of it begins.
    private const long NoPart = -1;

    // Of every parameter of the model, so that all ranks speak of the same; null for those of other stages.
    private readonly ParameterSlot?[] _slots
        = [.. model.Plan.Parameters.Select(planned => model.Parameters.Slots.FirstOrDefault(slot => slot.Name == planned.Name))];

    /// <summary>Returns if all copies are alike. Collective.</summary>
    /// <param name="step">The last step done.</param>
    /// <exception cref="ReplicasDifferException">On all ranks: some copy differs.</exception>
    public void Run(long step)
    {
        if (ranks.World.Size == 1)
        {
            return;
        }

        var own = Hashes();
        // Both are collective: a rank that has seen a difference in the first takes part in the second.
        var (agrees, agreesWithCopy) = (AgreesWithReplicas(own), AgreesWithinCopy(own));
        if (!ranks.World.Any(!agrees || !agreesWithCopy))
        {
            return;
        }

        throw new ReplicasDifferException(Describe(step, own));
    }

    private IReadOnlyList<string> Kinds => model.Parameters.IsShared ? ["parameter"]
        : model.Parameters.DataType == model.Parameters.GradientType ? ["parameter", "exp_avg of", "exp_avg_sq of"]
        : ["parameter", "exp_avg of", "exp_avg_sq of", "master copy of"];

    // [slot][kind], flat.
    private long[] Hashes()
    {
        using var scope = NewDisposeScope();
        using var mode = no_grad();
        var kinds = Kinds.Count;
        var hashes = new long[_slots.Length * kinds];
        for (var slot = 0; slot < _slots.Length; slot++)
        {
            if (_slots[slot] is not { } held)
            {
                continue;
            }

            hashes[slot * kinds] = HashOf(held.Parameter);
            if (kinds == 1 || optimizer.StateOf(held) is not { } state)
            {
                continue;
            }

            hashes[slot * kinds + 1] = HashOf(state.ExpAvg);
            hashes[slot * kinds + 2] = HashOf(state.ExpAvgSq);
            if (state.Master is not null)
            {
                hashes[slot * kinds + 3] = HashOf(state.Master);
            }
        }
        return hashes;

        static long HashOf(Tensor values) => unchecked((long)ReplicaHash.Of(values));
    }

    // Largest and smallest of each hash; the smallest is the complement of the largest complement.
    private bool AgreesWithReplicas(long[] own)
    {
        long[] extremes = [.. own, .. own.Select(hash => ~hash)];
        ranks.Replicas.Max<long>(extremes);
        for (var i = 0; i < own.Length; i++)
        {
            if (extremes[i] != ~extremes[own.Length + i])
            {
                return false;
            }
        }
        return true;
    }

    private bool AgreesWithinCopy(long[] own)
    {
        var (parts, hashes) = (ranks.Copy.Gather<long>(Parts()), ranks.Copy.Gather<long>(own));
        var kinds = Kinds.Count;
        for (var i = 0; i < own.Length; i++)
        {
            for (var rank = 0; rank < ranks.Copy.Size; rank++)
            {
                if (parts[rank][i / kinds] == parts[ranks.Copy.Rank][i / kinds] && hashes[rank][i] != own[i])
                {
                    return false;
                }
            }
        }
        return true;
    }

    // Where the rank's part of each parameter begins: ranks that hold the same part begin at the same place.
    private long[] Parts() => [.. _slots.Select(slot => slot?.Shard.Start ?? NoPart)];

    private string Describe(long step, long[] own)
    {
        var (parts, hashes) = (ranks.World.Gather<long>(Parts()), ranks.World.Gather<long>(own));
        var kinds = Kinds;
        var differing = 0;
        string? first = null;
        for (var i = 0; i < own.Length; i++)
        {
            foreach (var holders in Enumerable.Range(0, ranks.World.Size).GroupBy(rank => parts[rank][i / kinds.Count]))
            {
                var copies = holders.GroupBy(rank => hashes[rank][i]).OrderByDescending(same => same.Count()).ThenBy(same => same.First()).ToList();
                if (copies.Count == 1)
                {
                    continue;
                }

                differing++;
                first ??= $"{kinds[i % kinds.Count]} {model.Plan.Parameters[i / kinds.Count].Name}: {Sides(copies)}";
            }
        }
        return string.Create(CultureInfo.InvariantCulture,
            $"after step {step} copies that have to be the same are not: {first}. In all {differing} of {own.Length} tensors differ. Nothing was saved since they were last compared; start again, which goes on from the last checkpoint, and if the same rank is named again, without its machine ({string.Join(", ", ranks.World.AllGatherTexts(Environment.MachineName).Distinct())}).");
    }

    private static string Sides(List<IGrouping<long, int>> copies)
    {
        var majority = copies[0].Count() > copies[1].Count();
        return majority
            ? $"{Names(copies.Skip(1).SelectMany(same => same))} {(copies.Skip(1).Sum(same => same.Count()) == 1 ? "differs" : "differ")} from {Names(copies[0])}"
            : $"{string.Join(" and ", copies.Select(same => Names(same)))} differ, and there is no majority";
    }

    private static string Names(IEnumerable<int> members)
    {
        var ordered = members.Order().ToList();
        return $"{(ordered.Count == 1 ? "rank" : "ranks")} {string.Join(", ", ordered)}";
    }
}
