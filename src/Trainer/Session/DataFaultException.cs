using KvShiftScale.Core;
using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Control;

namespace KvShiftScale.Trainer.Session;

/// <summary>Data of some rank is damaged or cannot be read; all ranks throw it at the same place, where none of them waits for another.</summary>
internal sealed class DataFaultException(string message) : KvShiftException(message)
{
    /// <summary>Whether a failed read is a fault of the data or its files, and none of the program.</summary>
    public static bool IsFaultOfData(Exception exception) => exception is InvalidDataException or IOException or UnauthorizedAccessException;

    /// <summary>What the ranks have found, on all of them. Collective.</summary>
    /// <param name="world">All ranks.</param>
    /// <param name="own">What this rank has found; null where its data was good.</param>
    public static DataFaultException Gather(ProcessGroup world, Exception? own)
    {
        var faults = world.AllGatherTexts(own?.Message ?? "").Select((text, rank) => (Text: text, Rank: rank)).Where(fault => fault.Text.Length > 0)
            .GroupBy(fault => fault.Text, fault => fault.Rank);
        return new DataFaultException(string.Join('\n', faults.Select(same => world.Size == 1 ? same.Key : $"rank {string.Join(", ", same)}: {same.Key}")));
    }
}
