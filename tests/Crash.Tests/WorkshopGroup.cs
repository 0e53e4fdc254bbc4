namespace KvShiftScale.Crash.Tests;

/// <summary>One workshop for all tests, one after the other: each launch takes the whole machine, and what is undisturbed is trained once.</summary>
[CollectionDefinition(nameof(WorkshopGroup))]
public sealed class WorkshopGroup : ICollectionFixture<WorkshopFixture>;
