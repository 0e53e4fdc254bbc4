using KvShiftScale.Parallel.Kernels;

namespace KvShiftScale.Models.Configuration;

/// <summary>Which projections a variant of the shift mixes, over how many positions and with how many learned scalars.</summary>
/// <param name="Query">Queries are shifted, with scalars for each query head.</param>
/// <param name="Key">Keys are shifted, with scalars for each kv head.</param>
/// <param name="Value">Values are shifted, with scalars for each kv head.</param>
/// <param name="Taps">Positions that are mixed, the current one counted; 1 where nothing is shifted.</param>
/// <param name="ScalarsPerHead">Learned scalars of one head of one shifted projection.</param>
public readonly record struct ShiftPlan(bool Query, bool Key, bool Value, int Taps, int ScalarsPerHead)
{
    /// <summary>The plan of a variant.</summary>
    public static ShiftPlan Of(KvShiftVariant variant) => variant switch
    {
        KvShiftVariant.Kv or KvShiftVariant.Clip or KvShiftVariant.Window2 => new(false, true, true, 2, 2),
        KvShiftVariant.K => new(false, true, false, 2, 2),
        KvShiftVariant.V => new(false, false, true, 2, 2),
        KvShiftVariant.None => new(false, false, false, 1, 0),
        KvShiftVariant.Qkv => new(true, true, true, 2, 2),
        KvShiftVariant.Gate => new(false, true, true, 2, 1),
        KvShiftVariant.Window3 => new(false, true, true, 3, 3),
        KvShiftVariant.Window4 => new(false, true, true, 4, 4),
        _ => throw new ArgumentOutOfRangeException(nameof(variant), variant, "no variant of the shift"),
    };

    /// <summary>Learned scalars of one layer.</summary>
    public long Scalars(AttentionShape shape) => (long)ScalarsPerHead * ShiftedHeads(shape);

    /// <summary>Heads of one layer that are shifted, queries, keys and values counted apart.</summary>
    public int ShiftedHeads(AttentionShape shape) => (Query ? shape.Heads : 0) + (Key ? shape.KvHeads : 0) + (Value ? shape.KvHeads : 0);
}
