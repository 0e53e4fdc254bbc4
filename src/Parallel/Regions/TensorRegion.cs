using System.Runtime.CompilerServices;
using KvShiftScale.Parallel.Autograd;
using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Parallel.Parameters;
using static TorchSharp.torch;
using static TorchSharp.torch.autograd;

namespace KvShiftScale.Parallel.Regions;

/// <summary>
/// How one copy of the model is divided among tensor-parallel ranks. Between <see cref="Enter(Tensor)"/> and <see cref="Leave"/> every rank
/// sees all tokens and computes with its part of the weights; outside it holds whole activations, or, sequence-parallel, its part of
/// the tokens (Shoeybi et al. 2019; Korthikanti et al. 2022). Both are identities on one rank.
/// </summary>
public sealed class TensorRegion : IDisposable
{
    private readonly Dictionary<int, ProcessGroup> _headReplicas = [];

    /// <param name="group">The ranks that share one copy of the parameters.</param>
    /// <param name="sequence">Tokens are divided outside the region.</param>
    public TensorRegion(ProcessGroup group, bool sequence)
    {
        Group = group;
        IsSequenceParallel = sequence && group.Size > 1;
    }

    /// <summary>The ranks that share one copy of the parameters.</summary>
    public ProcessGroup Group { get; }

    /// <summary>Number of these ranks.</summary>
    public int Size => Group.Size;

    /// <summary>Whether tokens are divided outside the region.</summary>
    public bool IsSequenceParallel { get; }

    /// <summary>One rank that holds everything.</summary>
    public static TensorRegion Whole() => new(ProcessGroup.Solo("tensor"), sequence: false);

    /// <summary>
    /// Forward: all tokens, [rows, columns]. Backward: sums what the ranks' weights contributed to the gradient, for the tokens that
    /// this rank holds outside.
    /// </summary>
    public Tensor Enter(Tensor x)
        => Size == 1 ? x : IsSequenceParallel ? GatherTokens.apply(x, this) : SumGradients.apply(x, this);

    /// <summary>
    /// As <see cref="Enter(Tensor)"/>. Tokens of an activation that is made again in backward are gathered again there, so that every rank
    /// keeps nothing but its own part: as Megatron-LM does with the input of its column-parallel layers (Korthikanti et al. 2022).
    /// </summary>
    public Activation Enter(Activation x) => x.Then(Enter);

    /// <summary>
    /// Forward: the sum of the ranks' partial results, for the tokens that this rank holds outside. Backward: the gradient of all
    /// tokens.
    /// </summary>
    public Tensor Leave(Tensor x)
        => Size == 1 ? x : IsSequenceParallel ? ScatterTokens.apply(x, this) : SumResults.apply(x, this);

    /// <summary>The part of a parameter that this rank holds. Collective where neighbours hold the same head.</summary>
    /// <param name="shape">Shape of the whole parameter.</param>
    /// <param name="rule">How it is divided.</param>
    /// <exception cref="MeshLayoutException">The ranks do not divide it.</exception>
    public ParameterShard PartOf(IReadOnlyList<long> shape, ShardRule rule) => rule switch
    {
        ShardRule.Replicated => ParameterShard.Whole(shape) with { PartialOver = IsSequenceParallel ? Group : null, IsPrimary = Group.Rank == 0 },
        _ when Size == 1 => ParameterShard.Whole(shape),
        ShardRule.Divided(var dimension) => Divided(dimension, shape),
        ShardRule.DividedByHead(var heads) => DividedByHead(heads, shape),
        ShardRule.DividedByVocabulary => DividedByVocabulary(shape),
        _ => throw new ArgumentOutOfRangeException(nameof(rule), rule, "no rule of a division"),
    };

    public void Dispose()
    {
        foreach (var group in _headReplicas.Values)
        {
            group.Dispose();
        }
    }

    private ParameterShard Divided(int dimension, IReadOnlyList<long> shape)
    {
        if (shape[dimension] % Size != 0)
        {
            throw new MeshLayoutException($"{shape[dimension]} cannot be divided among parallel.tensor = {Size} ranks");
        }

        var extent = shape[dimension] / Size;
        return ParameterShard.Part(shape, dimension, extent * Group.Rank, extent);
    }

    private ParameterShard DividedByVocabulary(IReadOnlyList<long> shape)
    {
        var rows = ShardRule.DividedByVocabulary.RowsOf(shape[0], Size);
        return ParameterShard.Part(shape, 0, rows * Group.Rank, rows);
    }

    // Where there are fewer heads than ranks, the gradient of a head is the sum of those of its holders.
    private ParameterShard DividedByHead(int heads, IReadOnlyList<long> shape)
    {
        if (Size <= heads)
        {
            return Divided(0, shape);
        }

        if (Size % heads != 0)
        {
            throw new MeshLayoutException($"{heads} KV heads and parallel.tensor = {Size} ranks: neither divides the other");
        }

        var ranksPerHead = Size / heads;
        var extent = shape[0] / heads;
        return ParameterShard.Part(shape, 0, extent * (Group.Rank / ranksPerHead), extent) with
        {
            PartialOver = HeadReplicas(ranksPerHead),
            IsPrimary = Group.Rank % ranksPerHead == 0,
        };
    }

    // Collective over the group; every rank builds the same model and so comes here in the same order.
    private ProcessGroup HeadReplicas(int ranksPerHead)
    {
        if (!_headReplicas.TryGetValue(ranksPerHead, out var replicas))
        {
            replicas = Group.Split("head replicas", Group.Rank / ranksPerHead, Group.Rank);
            _headReplicas.Add(ranksPerHead, replicas);
        }
        return replicas;
    }

    // A gradient may be shared with other nodes of the graph, so what is summed in place is a copy.
    private Tensor Summed(Tensor x, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
    {
        var sum = x.clone();
        Group.AllReduce(sum, file: file, line: line);
        return sum;
    }

    private sealed class SumGradients : SingleResultFunction<SumGradients>
    {
        public override string Name => "TensorRegion.Enter";

        protected override Tensor Compute(AutogradContext context, object[] arguments)
        {
            context.save_data("region", arguments[1]);
            return ((Tensor)arguments[0]).alias();
        }

        protected override List<Tensor?> Differentiate(AutogradContext context, Tensor gradient)
            => [((TensorRegion)context.get_data("region")).Summed(gradient.contiguous()), null];
    }

    private sealed class SumResults : SingleResultFunction<SumResults>
    {
        public override string Name => "TensorRegion.Leave";

        protected override Tensor Compute(AutogradContext context, object[] arguments) => ((TensorRegion)arguments[1]).Summed((Tensor)arguments[0]);

        protected override List<Tensor?> Differentiate(AutogradContext context, Tensor gradient) => [gradient, null];
    }

    private sealed class GatherTokens : SingleResultFunction<GatherTokens>
    {
        public override string Name => "TensorRegion.Enter";

        protected override Tensor Compute(AutogradContext context, object[] arguments)
        {
            context.save_data("region", arguments[1]);
            return ((TensorRegion)arguments[1]).Group.AllGatherRows((Tensor)arguments[0]);
        }

        protected override List<Tensor?> Differentiate(AutogradContext context, Tensor gradient)
            => [((TensorRegion)context.get_data("region")).Group.ReduceScatterRows(gradient.contiguous()), null];
    }

    private sealed class ScatterTokens : SingleResultFunction<ScatterTokens>
    {
        public override string Name => "TensorRegion.Leave";

        protected override Tensor Compute(AutogradContext context, object[] arguments)
        {
            context.save_data("region", arguments[1]);
            return ((TensorRegion)arguments[1]).Group.ReduceScatterRows((Tensor)arguments[0]);
        }

        protected override List<Tensor?> Differentiate(AutogradContext context, Tensor gradient)
            => [((TensorRegion)context.get_data("region")).Group.AllGatherRows(gradient.contiguous()), null];
    }
}
