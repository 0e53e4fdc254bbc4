using KvShiftScale.Data.Shards;

namespace KvShiftScale.Trainer.Training;

/// <summary>Shards whose loss is told by itself.</summary>
/// <param name="Name">Its name in the configuration; null where data.validation is a list, and all of it one set.</param>
/// <param name="Shards">What is read, from first to last.</param>
internal sealed record ValidationSet(string? Name, ShardCatalog Shards);
