using KvShiftScale.Data.Shards;
namespace KvShiftScale.Data.Preparation;

/// <summary>What a preparation came to.</summary>
/// <param name="Manifest">The finished folder.</param>
/// <param name="WasFinished">Nothing was to do.</param>
/// <param name="ShardsBefore">Shards that an interrupted launch had left, and that stayed.</param>
public sealed record PreparationResult(ShardManifest Manifest, bool WasFinished, int ShardsBefore);
