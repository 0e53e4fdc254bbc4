using KvShiftScale.Models.Configuration;

namespace KvShiftScale.Trainer.Experiments.Induction;

/// <summary>A model that takes part: what it shifts, and its depth.</summary>
internal sealed record InductionArm(KvShiftVariant Variant, int Layers)
{
    public static readonly InductionArm KvOneLayer = new(KvShiftVariant.Kv, 1);
    public static readonly InductionArm VanillaOneLayer = new(KvShiftVariant.None, 1);
    public static readonly InductionArm VanillaTwoLayers = new(KvShiftVariant.None, 2);
    public static readonly InductionArm VanillaFourLayers = new(KvShiftVariant.None, 4);

    /// <summary>For people: "KV shift, 1 layer".</summary>
    public string Name => FormattableString.Invariant($"{ShiftName.Of(Variant)}, {Layers} layer{(Layers == 1 ? "" : "s")}");

    /// <summary>For file names: "kv-1-layer".</summary>
    public string Slug => FormattableString.Invariant($"{ShiftName.Key(Variant)}-{Layers}-layer{(Layers == 1 ? "" : "s")}");
}
