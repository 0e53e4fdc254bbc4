using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Parallel.Parameters;
using static TorchSharp.torch;

namespace KvShiftScale.Parallel.Gradients;

/// <summary>
/// Sums gradients in an order that does not depend on how many data-parallel ranks there are: the samples of a step are a fixed number
/// of leaves, and their gradients are added in pairs, then pairs of pairs. Neighbouring leaves are a rank's own; the upper levels of
/// the same tree join ranks. Floating-point addition of two numbers does not depend on which comes first, so every rank gets the
/// same bits. Costs a copy of the gradients for each level below the ranks, and whole buckets sent once for each level above;
/// where ranks share sequences, once for each leaf too.
/// </summary>
public sealed class CanonicalReduction : IDisposable
{
    private readonly ParameterBuckets _parameters;
    private readonly ProcessGroup _context;
    private readonly List<ProcessGroup> _pairs = [];
    // Sums of the subtrees that wait for their right neighbour: [level][bucket].
    private readonly List<Tensor[]> _waiting = [];
    private int _leaf;

    /// <param name="parameters">Parameters of this rank.</param>
    /// <param name="data">Ranks that differ in their share of the samples.</param>
    /// <param name="context">Ranks that share this one's sequences; their sum comes first, in each leaf.</param>
    /// <param name="leaves">Leaves of a step, over all ranks.</param>
    /// <exception cref="MeshLayoutException">The leaves are no power of two, or the ranks no power of two that divides them.</exception>
    public CanonicalReduction(ParameterBuckets parameters, ProcessGroup data, ProcessGroup context, int leaves)
    {
        if (leaves < 1 || (leaves & (leaves - 1)) != 0)
        {
            throw new MeshLayoutException($"parallel.canonical_leaves is {leaves}; it has to be a power of two");
        }

        if ((data.Size & (data.Size - 1)) != 0 || leaves % data.Size != 0)
        {
            throw new MeshLayoutException(
                $"run.deterministic divides a step into {leaves} leaves, which {data.Size} data-parallel ranks cannot share: their number has to be a power of two up to {leaves}");
        }
        _parameters = parameters;
        _context = context;
        LeavesPerRank = leaves / data.Size;
        for (var bit = 1; bit < data.Size; bit <<= 1)
        {
            _pairs.Add(data.Split($"data pair {bit}", data.Rank & ~bit, data.Rank));
        }
    }

    /// <summary>Leaves that this rank computes.</summary>
    public int LeavesPerRank { get; }

    /// <summary>Ends a leaf whose gradients are in the buckets. The gradients of all leaves of this rank are there after the last.</summary>
    public void EndLeaf()
    {
        foreach (var slot in _parameters.Slots)
        {
            slot.ZeroIfAbsent();
        }

        using var mode = no_grad();
        using var scope = NewDisposeScope();
        foreach (var bucket in _parameters.Buckets)
        {
            var gradients = bucket.FlatGradients();
            bucket.Traits.PartialOver?.AllReduce(gradients);
            _context.AllReduce(gradients);
        }
        var level = 0;
        for (; (_leaf >> level & 1) == 1; level++)
        {
            for (var i = 0; i < _parameters.Buckets.Count; i++)
            {
                _parameters.Buckets[i].FlatGradients().add_(_waiting[level][i]);
            }
        }
        _leaf++;
        if (_leaf == LeavesPerRank)
        {
            _leaf = 0;
            return;
        }
        Keep(level);
        _parameters.BeginStep();
    }

    /// <summary>Joins the ranks' sums after the last leaf. Collective.</summary>
    public void JoinRanks()
    {
        if (_leaf != 0)
        {
            throw new InvalidOperationException($"{LeavesPerRank - _leaf} leaves of this step are missing");
        }

        using var scope = NewDisposeScope();
        foreach (var bucket in _parameters.Buckets)
        {
            var gradients = bucket.FlatGradients();
            foreach (var pair in _pairs)
            {
                pair.AllReduce(gradients);
            }
        }
    }

    public void Dispose()
    {
        foreach (var level in _waiting)
        {
            foreach (var sum in level)
            {
                sum.Dispose();
            }
        }
        foreach (var pair in _pairs)
        {
            pair.Dispose();
        }
    }

    private void Keep(int level)
    {
        if (level == _waiting.Count)
        {
            _waiting.Add([.. _parameters.Buckets.Select(bucket
                => empty(bucket.PaddedLength, _parameters.GradientType, _parameters.Device).DetachFromDisposeScope())]);
        }
        for (var i = 0; i < _parameters.Buckets.Count; i++)
        {
            _waiting[level][i].copy_(_parameters.Buckets[i].FlatGradients());
        }
    }
}
