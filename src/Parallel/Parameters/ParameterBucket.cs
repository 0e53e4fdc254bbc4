using KvShiftScale.Parallel.Kernels;
using static TorchSharp.torch;

namespace KvShiftScale.Parallel.Parameters;

/// <summary>
/// Neighbouring parameters in one allocation, and their gradients in another of the same layout: what is reduced by one
/// collective and updated by one call of the optimizer. All parameters of a bucket are treated alike.
/// </summary>
public sealed class ParameterBucket : IDisposable
{
    private readonly Device _memory;
    private readonly Tensor _parameterStorage;
    private readonly List<ParameterSlot> _slots = [];
    private readonly OptimizerShare _share;
    // Null while there are none: from the sum over ranks to the next backward, of a bucket that keeps its part only.
    private Tensor? _gradientStorage;
    // That part; null in other buckets.
    private Tensor? _ownedSums;
    private bool _hasOwnedSums;
    private bool _sealed;
    private Action? _awaitParameters;

    internal ParameterBucket(long capacity, BucketTraits traits, ComputeDevice device, OptimizerShare share)
    {
        Capacity = capacity;
        Traits = traits;
        Kernels = device.Kernels;
        _memory = device.Memory;
        _share = share;
        // What else is summed before the replicas' sums, on ranks that are at other micro-batches perhaps, is kept until a step's last one.
        KeepsOwnedGradientsOnly = share.DividesGradients && traits.PartialOver is null;
        var allocated = share.Padded(capacity);
        _parameterStorage = empty(allocated, Kernels.DataType, _memory).DetachFromDisposeScope();
        _gradientStorage = KeepsOwnedGradientsOnly ? null : NewGradients(allocated);
    }

    /// <summary>Elements that fit.</summary>
    public long Capacity { get; }

    /// <summary>Elements in use.</summary>
    public long Length { get; private set; }

    /// <summary>What all parameters of the bucket have in common.</summary>
    public BucketTraits Traits { get; }

    /// <summary>What computes with the parameters.</summary>
    public IKernels Kernels { get; }

    /// <summary>Elements in use and padding up to as many equal parts as ranks share the bucket.</summary>
    public long PaddedLength => _share.Padded(Length);

    /// <summary>First element of the part that this rank updates.</summary>
    public long OwnedStart => PaddedLength / _share.Count * _share.Index;

    /// <summary>Elements of the part that this rank updates: all that are in use where nobody shares the bucket.</summary>
    public long OwnedLength => PaddedLength / _share.Count;

    /// <summary>
    /// Gradients are whole from the first that a backward gives until ranks have summed them; between micro-batches there is only the part that this
    /// rank updates.
    /// </summary>
    public bool KeepsOwnedGradientsOnly { get; }

    /// <summary>Bytes of gradients that live now.</summary>
    public long GradientBytes => ((_gradientStorage?.numel() ?? 0) + (_ownedSums?.numel() ?? 0)) * (GradientType == ScalarType.Float64 ? 8 : 4);

    /// <summary>The parameters in this bucket, in order of their offsets.</summary>
    public IReadOnlyList<ParameterSlot> Slots => _slots;

    /// <summary>All parameters, flat, with padding: a view that the caller disposes. Waits where updates are still on their way.</summary>
    public Tensor FlatParameters()
    {
        AwaitParameters();
        return _parameterStorage.narrow(0, 0, PaddedLength);
    }

    /// <summary>All gradients, flat, with padding: a view that the caller disposes.</summary>
    /// <exception cref="InvalidOperationException">There is a part only.</exception>
    public Tensor FlatGradients() => WholeGradients.narrow(0, 0, PaddedLength);

    /// <summary>The parameters that this rank updates: a view that the caller disposes. Waits where they are still read for other ranks.</summary>
    public Tensor OwnedParameters()
    {
        AwaitParameters();
        return _parameterStorage.narrow(0, OwnedStart, OwnedLength);
    }

    /// <summary>The gradients of what this rank updates: a view that the caller disposes.</summary>
    public Tensor OwnedGradients() => _ownedSums?.alias() ?? WholeGradients.narrow(0, OwnedStart, OwnedLength);

    public void Dispose()
    {
        foreach (var slot in _slots)
        {
            slot.Dispose();
        }

        _parameterStorage.Dispose();
        _gradientStorage?.Dispose();
        _ownedSums?.Dispose();
    }

    /// <summary>Gradients are summed in float32 at least.</summary>
    internal static ScalarType GradientTypeOf(ScalarType dtype) => dtype == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32;

    internal ParameterSlot Add(string name, ParameterShard shard, int uses)
    {
        if (_sealed)
        {
            throw new InvalidOperationException($"parameter {name} comes after the first step or its reducer");
        }

        using var scope = NewDisposeScope();
        long[] shape = [.. shard.Shape];
        var parameter = new TorchSharp.Modules.Parameter(_parameterStorage.narrow(0, Length, shard.ElementCount).view(shape));
        parameter.DetachFromDisposeScope();
        var slot = new ParameterSlot(name, shard, uses, this, parameter, Length);
        if (_gradientStorage is not null)
        {
            slot.MoveGradient(GradientAt(Length, shard));
        }

        _slots.Add(slot);
        Length += shard.ElementCount;
        return slot;
    }

    /// <summary>Parameters are on their way: whoever asks for one calls <paramref name="arrived"/> first, once.</summary>
    internal void ParametersArrive(Action arrived) => Volatile.Write(ref _awaitParameters, arrived);

    internal void AwaitParameters()
    {
        if (Volatile.Read(ref _awaitParameters) is not { } arrived)
        {
            return;
        }

        arrived();
        Interlocked.CompareExchange(ref _awaitParameters, null, arrived);
    }

    internal void BeginStep()
    {
        Seal();
        _hasOwnedSums = false;
        ForgetGradients();
    }

    /// <summary>
    /// Gradients lie in <paramref name="storage"/> from here on, <see cref="PaddedLength"/> zeros that the bucket owns. Nobody may be using a view of
    /// those before.
    /// </summary>
    internal void MoveGradients(Tensor storage)
    {
        Seal();
        using var scope = NewDisposeScope();
        using var mode = no_grad();
        if (_slots.Exists(slot => slot.HasGradient))
        {
            storage.copy_(FlatGradients());
        }

        WholeGradients.Dispose();
        Place(storage.DetachFromDisposeScope());
    }

    /// <summary>Makes room for whole gradients, where a part is kept only. Nobody has one yet.</summary>
    internal void OpenGradients()
    {
        using var scope = NewDisposeScope();
        using var mode = no_grad();
        var storage = NewGradients(PaddedLength);
        storage.narrow(0, Length, PaddedLength - Length).zero_();
        Place(storage);
    }

    /// <summary>Adds this rank's part of the gradients, which ranks have summed, to those of the micro-batches before, and frees the whole.</summary>
    internal void CloseGradients()
    {
        using var scope = NewDisposeScope();
        using var mode = no_grad();
        var part = WholeGradients.narrow(0, OwnedStart, OwnedLength);
        if (_hasOwnedSums)
        {
            _ownedSums!.add_(part);
        }
        else
        {
            _ownedSums!.copy_(part);
        }

        _hasOwnedSums = true;
        ForgetGradients();
        foreach (var slot in _slots)
        {
            slot.MoveGradient(null);
        }

        WholeGradients.Dispose();
        _gradientStorage = null;
    }

    /// <summary>Takes no more parameters.</summary>
    internal void Seal()
    {
        if (_sealed)
        {
            return;
        }

        _sealed = true;
        using var scope = NewDisposeScope();
        using var mode = no_grad();
        // Padding takes part in collectives and updates; zero gradients keep it what it is.
        _parameterStorage.narrow(0, Length, PaddedLength - Length).zero_();
        _gradientStorage?.narrow(0, Length, PaddedLength - Length).zero_();
        _ownedSums = KeepsOwnedGradientsOnly ? NewGradients(OwnedLength) : null;
    }

    private ScalarType GradientType => GradientTypeOf(Kernels.DataType);

    private Tensor WholeGradients => _gradientStorage
        ?? throw new InvalidOperationException($"the bucket of {_slots[0].Name} has no whole gradients: no backward is writing to it");

    private Tensor NewGradients(long elements) => empty(elements, GradientType, _memory).DetachFromDisposeScope();

    private void Place(Tensor storage)
    {
        _gradientStorage = storage;
        foreach (var slot in _slots)
        {
            slot.MoveGradient(GradientAt(slot.Offset, slot.Shard));
        }
    }

    private void ForgetGradients()
    {
        foreach (var slot in _slots)
        {
            slot.BeginStep();
        }
    }

    private Tensor GradientAt(long offset, ParameterShard shard)
        => WholeGradients.narrow(0, offset, shard.ElementCount).view([.. shard.Shape]).DetachFromDisposeScope();
}
