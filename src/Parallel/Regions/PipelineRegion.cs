using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Parameters;
using static TorchSharp.torch;

namespace KvShiftScale.Parallel.Regions;

/// <summary>
/// How the layers of a model follow each other on the stages of a pipeline, and what neighbouring stages tell each other: activations on the way
/// forward, their gradients on the way back. One rank is the first stage and the last. Where a stage has several chunks of layers, the last stage's
/// neighbour is the first one, for the chunk after.
/// </summary>
public sealed class PipelineRegion : IDisposable
{
    private readonly ProcessGroup _group;
    private readonly ProcessGroup? _ends;

    /// <summary>Collective over the group where its ends share parameters.</summary>
    /// <param name="group">The stages, in the order of their layers.</param>
    /// <param name="endsShare">The first and the last stage hold the same parameters: a tied embedding.</param>
    /// <param name="chunks">Chunks of consecutive layers that each stage has.</param>
    /// <exception cref="ArgumentException">One stage has several chunks.</exception>
    public PipelineRegion(ProcessGroup group, bool endsShare, int chunks = 1)
    {
        _group = group;
        if (chunks > 1 && Stages == 1)
        {
            throw new ArgumentException($"{chunks} chunks of one stage have no other between them", nameof(chunks));
        }

        Chunks = chunks;
        if (endsShare && Stages > 1)
        {
            // Stages between the ends form a group that nobody uses.
            _ends = group.Split("pipeline ends", Stage == 0 || Stage == Stages - 1 ? 0 : 1, Stage);
        }
    }

    /// <summary>The stages.</summary>
    public ProcessGroup Group => _group;

    /// <summary>This rank's stage, from 0.</summary>
    public int Stage => _group.Rank;

    /// <summary>Number of stages.</summary>
    public int Stages => _group.Size;

    /// <summary>Chunks of consecutive layers that each stage has.</summary>
    public int Chunks { get; }

    /// <summary>All chunks, in the order of the layers: chunk c of stage s is number c * stages + s.</summary>
    public int VirtualStages => Chunks * Stages;

    /// <summary>The number of one of this rank's chunks among all.</summary>
    /// <param name="chunk">From 0.</param>
    public int VirtualStage(int chunk) => chunk * Stages + Stage;

    /// <summary>One rank that has all layers.</summary>
    public static PipelineRegion Whole() => new(ProcessGroup.Solo("pipeline"), endsShare: false);

    /// <summary>
    /// A part of a parameter that the first and the last stage hold both, and use for different things: its gradient is the sum of both, and the
    /// first stage's copy is the one that counts.
    /// </summary>
    /// <exception cref="InvalidOperationException">The stages were told that their ends share nothing.</exception>
    public ParameterShard OnBothEnds(ParameterShard shard) => Stages == 1 ? shard : shard with
    {
        PartialOver = _ends ?? throw new InvalidOperationException("the ends of this pipeline share no parameters"),
        IsPrimary = shard.IsPrimary && Stage == 0,
    };

    /// <summary>What the stage before gives, in the order in which it does. Waits for it.</summary>
    /// <param name="activation">Receives it.</param>
    public void ReceiveActivation(Tensor activation) => _group.Collectives.Receive(activation, Previous);

    /// <summary>Gives an activation to the next stage. Waits until that takes it.</summary>
    public void SendActivation(Tensor activation) => _group.Collectives.Send(activation, Next);

    /// <summary>The gradient of an activation that was sent, in the order in which they were. Waits for the next stage.</summary>
    /// <param name="gradient">Receives it.</param>
    public void ReceiveGradient(Tensor gradient) => _group.Collectives.Receive(gradient, Next);

    /// <summary>Gives the gradient of what the stage before had sent back to it. Waits until that takes it.</summary>
    public void SendGradient(Tensor gradient) => _group.Collectives.Send(gradient, Previous);

    /// <summary>Gives all stages what the last one has. Collective.</summary>
    /// <param name="tensor">The last stage's; the others' receives it.</param>
    public void BroadcastFromLast(Tensor tensor)
    {
        if (Stages > 1)
        {
            _group.Collectives.Broadcast(tensor, Stages - 1);
        }
    }

    public void Dispose() => _ends?.Dispose();

    private int Next => (Stage + 1) % Stages;

    private int Previous => (Stage + Stages - 1) % Stages;
}
