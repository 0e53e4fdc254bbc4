using System.Collections.Concurrent;

namespace KvShiftScale.Trainer.Telemetry;

/// <summary>Warnings about a collector: one for each cause in the life of the process.</summary>
/// <param name="endpoint">Address of the collector, without secrets.</param>
/// <param name="warn">Told from whatever thread exports.</param>
internal sealed class CollectorWarnings(string endpoint, Action<string> warn)
{
    private readonly ConcurrentDictionary<string, bool> _told = [];
    private volatile bool _knowsCause;

    /// <summary>Something was told about the export that is going on.</summary>
    public bool KnowsCause => _knowsCause;

    /// <summary>Another export begins.</summary>
    public void BeginExport() => _knowsCause = false;

    /// <summary>Warns, unless this cause is known.</summary>
    public void Tell(CollectorFault fault)
    {
        _knowsCause = true;
        if (_told.TryAdd(fault.Cause, true))
        {
            warn(fault.Describe(endpoint));
        }
    }
}
