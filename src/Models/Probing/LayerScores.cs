namespace KvShiftScale.Models.Probing;

/// <summary>What the probe found in one layer; docs/probes.md defines the scores.</summary>
/// <param name="PrefixMatching">[heads], 0 to 1: share of a head's value weight on the token after the previous occurrence.</param>
/// <param name="Copying">[heads], 0 to 1: how far a head raises the logit of the token that it reads above those of others; 0.5 is chance.</param>
/// <param name="KeyShift">[kv_heads][positions], oldest position first, the token itself last; null where keys are not shifted.</param>
/// <param name="ValueShift">As <paramref name="KeyShift"/>, for values.</param>
public sealed record LayerScores(
    IReadOnlyList<float> PrefixMatching,
    IReadOnlyList<float> Copying,
    IReadOnlyList<IReadOnlyList<float>>? KeyShift,
    IReadOnlyList<IReadOnlyList<float>>? ValueShift);
