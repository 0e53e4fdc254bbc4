namespace TorchSharp;

/// <summary>Counters of one thread since its start or the last reset.</summary>
public class ThreadDisposeScopeStatistics
{
    public long CreatedInScopeCount { get; internal set; }

    public long CreatedOutsideScopeCount { get; internal set; }

    public long DetachedFromScopeCount { get; internal set; }

    public long DisposedInScopeCount { get; internal set; }

    public long DisposedOutsideScopeCount { get; internal set; }

    /// <summary>Tensors made on this thread that nobody disposed on it.</summary>
    public long ThreadTotalLiveCount
        => CreatedInScopeCount + CreatedOutsideScopeCount - DisposedInScopeCount - DisposedOutsideScopeCount;

    public void Reset()
    {
        CreatedInScopeCount = 0;
        CreatedOutsideScopeCount = 0;
        DetachedFromScopeCount = 0;
        DisposedInScopeCount = 0;
        DisposedOutsideScopeCount = 0;
    }
}
