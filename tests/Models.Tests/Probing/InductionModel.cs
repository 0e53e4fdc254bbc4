using KvShiftScale.Models.Configuration;
using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Parameters;
using static TorchSharp.torch;

namespace KvShiftScale.Models.Tests.Probing;

/// <summary>
/// The construction of the paper's Theorem 2 as a whole model, written by hand: one layer, one head, keys of the previous token
/// (a1, a2) = (0, 1), values of the current one (b1, b2) = (1, 0), all projections multiples of the identity, no feed-forward.
/// </summary>
internal static class InductionModel
{
    public const int Vocabulary = 64;

    // Pairs below this one turn with the position and are left empty; those above turn by less than 1e-4 over 128 positions.
    private const int FirstStillPair = 14;
    private const int Width = 128;

    public static KvShiftTransformer Make(int context, double keyCurrent = 0, double keyPrevious = 1, double valueCurrent = 1, double valuePrevious = 0)
    {
        var config = new ModelConfig
        {
            VocabSize = Vocabulary,
            HiddenSize = Width,
            Layers = 1,
            Heads = 1,
            FfnSize = 2,
            RopeBase = 1e30,
        };
        var model = new KvShiftTransformer(config, new ParameterBuckets(ComputeDevice.Host(ScalarType.Float32), 1 << 20), context);
        using var mode = no_grad();
        using var scope = NewDisposeScope();
        foreach (var slot in model.Parameters.Slots)
        {
            slot.Parameter.copy_(tensor(Values(slot)).view([.. slot.Shape]));
        }

        return model;

        float[] Values(ParameterSlot slot)
        {
            var name = slot.Name.Split('.')[^1] == "weight" ? slot.Name.Split('.')[^2] : slot.Name.Split('.')[^1];
            var values = new float[slot.Shape.Aggregate(1L, (product, extent) => product * extent)];
            switch (name)
            {
                case "embed_tokens" or "lm_head":
                    for (var id = 0; id < Vocabulary; id++)
                    {
                        values[id * Width + Channel(id)] = 1;
                    }

                    break;
                case "q_proj" or "k_proj":
                    Diagonal(values, 2);
                    break;
                case "v_proj" or "o_proj":
                    Diagonal(values, 3);
                    break;
                case "k_shift":
                    (values[0], values[1]) = ((float)keyPrevious, (float)keyCurrent);
                    break;
                case "v_shift":
                    (values[0], values[1]) = ((float)valuePrevious, (float)valueCurrent);
                    break;
                case "norm" or "input_layernorm" or "post_attention_layernorm":
                    Array.Fill(values, 1);
                    break;
            }
            return values;
        }
    }

    // Ids take the channels of both halves of the pairs that stand still.
    private static int Channel(int id) => id < Vocabulary / 2 ? FirstStillPair + id : Width / 2 + FirstStillPair + id - Vocabulary / 2;

    private static void Diagonal(float[] values, float value)
    {
        for (var i = 0; i < Width; i++)
        {
            values[i * Width + i] = value;
        }
    }
}
