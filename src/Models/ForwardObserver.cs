using static TorchSharp.torch;

namespace KvShiftScale.Models;

/// <summary>Looks at a forward pass on its way, and changes nothing in it. What it is shown is gone when the call returns. Not for training.</summary>
public sealed class ForwardObserver
{
    /// <summary>Shown what every part gives, [rows, hidden_size], under the part's name, in the order of the computation; null: nobody looks.</summary>
    public Action<string, Tensor>? Part { get; init; }

    /// <summary>Shown what this rank's heads see in each layer, under the layer's number, from 0. Collective over the ranks that divide the model.</summary>
    internal Action<int, AttentionView>? Attention { get; init; }
}
