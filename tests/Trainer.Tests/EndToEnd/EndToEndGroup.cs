namespace KvShiftScale.Trainer.Tests.EndToEnd;

/// <summary>Tests of the whole program that share one fixture.</summary>
[CollectionDefinition(nameof(EndToEndGroup))]
public sealed class EndToEndGroup : ICollectionFixture<TrainingFixture>;
