using KvShiftScale.Models.Configuration;

namespace KvShiftScale.Trainer.Planning;

/// <summary>Bytes of an element.</summary>
/// <param name="Narrow">Of parameters and activations.</param>
/// <param name="Wide">Of gradients, logits, statistics of rows and the optimizer's state.</param>
internal readonly record struct ElementBytes(int Narrow, int Wide)
{
    /// <summary>Of a number format.</summary>
    public static ElementBytes Of(Precision precision) => precision switch
    {
        Precision.Bf16 => new(2, 4),
        Precision.Fp64 => new(8, 8),
        _ => new(4, 4),
    };
}
