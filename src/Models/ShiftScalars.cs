using KvShiftScale.Models.Configuration;
using KvShiftScale.Parallel.Parameters;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace KvShiftScale.Models;

/// <summary>
/// The learned scalars [heads, scalars] of one shifted projection, and the weights of the shift that they stand for. Free variants
/// use them as they are.
/// </summary>
internal sealed class ShiftScalars
{
    private readonly KvShiftVariant _variant;
    private readonly ParameterSlot _slot;

    public ShiftScalars(KvShiftVariant variant, ParameterSlot slot)
    {
        _variant = variant;
        _slot = slot;
    }

    /// <summary>The learned scalars.</summary>
    public Parameter Parameter => _slot.Parameter;

    /// <summary>[heads, taps]; the last column weighs the current position, the one before it the previous one, and so on.</summary>
    public Tensor Weights()
    {
        var scalars = _slot.AsInput();
        return _variant switch
        {
            // 1 - sigmoid(x) is sigmoid(-x), without the rounding of the difference.
            KvShiftVariant.Gate => cat([(-scalars).sigmoid(), scalars.sigmoid()], 1),
            // Gradients stop at scalars outside of [0, 1] and pass on the border: a scalar that starts at 0 or 1 can leave it.
            KvShiftVariant.Clip => scalars.masked_fill((-scalars).gt(0), 0.0).masked_fill(scalars.gt(1), 1.0),
            _ => scalars,
        };
    }
}
