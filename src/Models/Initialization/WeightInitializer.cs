using KvShiftScale.Parallel.Parameters;
using static TorchSharp.torch;

namespace KvShiftScale.Models.Initialization;

/// <summary>
/// Initial weights. Matrices and embeddings: normal with <see cref="ModelConfig.InitStd"/>, divided by sqrt(2 * layers) where a
/// matrix writes into the residual stream, so that the stream's variance does not grow with depth. Norms: ones. Scalars of the
/// shift: <see cref="ShiftInitializer"/>.
/// </summary>
public static class WeightInitializer
{
    /// <summary>Fills every parameter of the model.</summary>
    public static void Fill(KvShiftTransformer model, long seed)
    {
        using var mode = no_grad();
        foreach (var slot in model.Parameters.Slots) Fill(slot, model.Config, seed);
    }

    private static void Fill(ParameterSlot slot, ModelConfig config, long seed)
    {
        using var scope = NewDisposeScope();
        var count = slot.Parameter.numel();
        if (slot.Name.EndsWith("norm.weight", StringComparison.Ordinal))
        {
            slot.Parameter.fill_(1);
            return;
        }
        var random = new CounterRandom(seed, slot.Name);
        var values = new double[count];
        if (slot.Name.EndsWith("_shift", StringComparison.Ordinal))
        {
            ShiftInitializer.Fill(values, (int)slot.Shape[0], config.KvShift, config.KvShiftInit, random);
        }
        else
        {
            var writesResidual = slot.Name.EndsWith("o_proj.weight", StringComparison.Ordinal)
                || slot.Name.EndsWith("down_proj.weight", StringComparison.Ordinal);
            var deviation = writesResidual ? config.InitStd / Math.Sqrt(2.0 * config.Layers) : config.InitStd;
            for (var i = 0; i < values.Length; i++) values[i] = deviation * random.Normal(i);
        }
        slot.Parameter.copy_(tensor(values).view([.. slot.Shape]));
    }
}
