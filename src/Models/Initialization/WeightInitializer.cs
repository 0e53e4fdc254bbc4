using KvShiftScale.Core.Numbers;
using KvShiftScale.Models.Configuration;
using KvShiftScale.Parallel.Parameters;
using static TorchSharp.torch;

namespace KvShiftScale.Models.Initialization;

/// <summary>
/// Initial weights. Matrices and embeddings: normal with <see cref="ModelConfig.InitStd"/>, divided by sqrt(2 * layers) where a
/// matrix writes into the residual stream, so that the stream's variance does not grow with depth; or by their number of inputs
/// (<see cref="ModelConfig.Init"/>). Norms: ones. Scalars of the shift: <see cref="ShiftInitializer"/>.
/// </summary>
public static class WeightInitializer
{
    /// <summary>Fills every parameter of the model: a pure function of (seed, parameter name, element).</summary>
    public static void Initialize(this KvShiftTransformer model, long seed)
    {
        using var mode = no_grad();
        foreach (var slot in model.Parameters.Slots)
        {
            Fill(slot, model.Plan[slot.Name].Initial, model.Config, seed);
        }
    }

    private static void Fill(ParameterSlot slot, InitialValues initial, ModelConfig config, long seed)
    {
        using var scope = NewDisposeScope();
        if (initial == InitialValues.One)
        {
            slot.Parameter.fill_(1);
            return;
        }
        var random = new NamedRandom(seed, slot.Name);
        var element = initial == InitialValues.Shift ? ShiftScalar(slot, config, random) : Weight(slot, initial, config, random);
        // Padding stays 0. The rest is the element of the whole parameter, whichever part of it this rank holds.
        var values = new double[slot.Shard.ElementCount];
        foreach (var (local, global, length) in slot.Shard.Runs())
        {
            for (var i = 0L; i < length; i++)
            {
                values[local + i] = element(global + i);
            }
        }
        slot.Parameter.copy_(tensor(values).view([.. slot.Shape]));
    }

    private static Func<long, double> Weight(ParameterSlot slot, InitialValues initial, ModelConfig config, NamedRandom random)
    {
        var deviation = Deviation(slot, initial, config);
        return index => deviation * random.Normal(index);
    }

    private static double Deviation(ParameterSlot slot, InitialValues initial, ModelConfig config)
    {
        if (config.Init == WeightInitialization.FanIn)
        {
            return initial == InitialValues.Rows ? 1 : 1 / Math.Sqrt(slot.Shard.GlobalShape[1]);
        }

        return initial == InitialValues.ResidualMatrix ? config.InitStd / Math.Sqrt(2.0 * config.Layers) : config.InitStd;
    }

    // Of all heads, which are few.
    private static Func<long, double> ShiftScalar(ParameterSlot slot, ModelConfig config, NamedRandom random)
    {
        var scalars = new double[slot.Shard.GlobalShape[0] * slot.Shard.GlobalShape[1]];
        ShiftInitializer.Fill(scalars, (int)slot.Shard.GlobalShape[0], config.KvShift, config.KvShiftInit, random);
        return index => scalars[index];
    }
}
