using KvShiftScale.Data.Finding;
using KvShiftScale.Data.Shards;

namespace KvShiftScale.Data.Preparation;

/// <summary>What a preparation came to.</summary>
/// <param name="Manifest">The finished folder.</param>
/// <param name="WasFinished">Nothing was to do.</param>
/// <param name="ShardsBefore">Shards that an interrupted launch had left, and that stayed.</param>
public sealed record PreparationResult(ShardManifest Manifest, bool WasFinished, int ShardsBefore)
{
    /// <summary>The finished folder of the documents kept for validation; null where none are.</summary>
    public ShardManifest? Validation { get; init; }

    /// <summary>Names that were found and not read, and why.</summary>
    public IReadOnlyList<LeftOutName> LeftOut { get; init; } = [];

    /// <summary>Files that were read and have no document: empty ones, or ones of blank lines.</summary>
    public IReadOnlyList<string> FilesWithoutDocument
        => [.. (Manifest.Preparation?.Inputs ?? []).Where(input => input.Documents == 0).Select(input => input.Path)];
}
