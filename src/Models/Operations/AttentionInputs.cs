using KvShiftScale.Parallel.Regions;
using static TorchSharp.torch;

namespace KvShiftScale.Models.Operations;

/// <summary>What attention has from forward to backward.</summary>
internal sealed record AttentionInputs(Activation Query, Activation Key, Activation Value)
{
    /// <summary>What is saved of all three.</summary>
    public IEnumerable<Tensor> Keep() => [.. Query.Keep(), .. Key.Keep(), .. Value.Keep()];

    /// <summary>All three again, from what was saved, which is taken out of the queue.</summary>
    public (Tensor Query, Tensor Key, Tensor Value) Take(Queue<Tensor> saved) => (Query.Take(saved), Key.Take(saved), Value.Take(saved));

    /// <summary>They are not needed any more.</summary>
    public void Release()
    {
        Query.Release();
        Key.Release();
        Value.Release();
    }
}
