namespace KvShiftScale.Data.Tests.Parquet;

/// <summary>
/// Tests that count memory run while no others do: buffers are shared by all readers of a process, and one that another test has grown
/// less may be handed out.
/// </summary>
[CollectionDefinition(nameof(ReadingAlone), DisableParallelization = true)]
public sealed class ReadingAlone;
