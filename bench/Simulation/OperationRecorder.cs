using System.Runtime.CompilerServices;
using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Trainer.Planning;

namespace KvShiftScale.Simulation;

/// <summary>
/// Writes down what a rank calls in a step instead of doing it. What decides the order of calls runs as it is; groups of one rank call nothing, as in the product.
/// </summary>
/// <param name="groups">The groups of the launch.</param>
/// <param name="rank">A rank of those that do the same.</param>
/// <param name="links">What collectives take.</param>
internal sealed class OperationRecorder(LaunchGroups groups, int rank, LinkTime links)
{
    private readonly List<Operation> _computing = [];
    private readonly List<List<Operation>> _tasks = [];
    private List<Operation> _current = [];

    /// <summary>Writes to the thread that computes.</summary>
    public void Begin() => _current = _computing;

    /// <summary>All that was written.</summary>
    public RankProgram Program => new([.. _computing], [.. _tasks.Select(task => task.ToArray())]);

    /// <summary>Ranks of one of the groups of this rank.</summary>
    public int SizeOf(int group) => groups.SizeOf(group, rank);

    /// <summary>This rank's place in one of its groups.</summary>
    public int IndexIn(int group) => groups.PlaceOf(group, rank).Index;

    /// <summary>Computes for so long.</summary>
    public void Compute(double seconds)
    {
        if (seconds > 0)
        {
            _current.Add(new Operation(OperationKind.Compute, seconds));
        }
    }

    /// <summary>Sums elements over a group.</summary>
    public void AllReduce(int group, CollectiveDataType type, long count, ReduceOperation operation = ReduceOperation.Sum,
        [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
        => Collective(group, CollectiveOperation.AllReduce, type, count, count, (int)operation, bytes => 2 * Ring(group, bytes), file, line);

    /// <summary>Sums a few numbers over a group, which take its latency.</summary>
    public void AllReduceNumbers(int group, CollectiveDataType type, long count, ReduceOperation operation = ReduceOperation.Sum,
        [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
        => Collective(group, CollectiveOperation.AllReduce, type, count, count, (int)operation, bytes => links.SumOfNumbers(bytes, groups.AxesOf(group)), file, line);

    /// <summary>Each rank gets the sum of its part of so many elements.</summary>
    public void ReduceScatter(int group, CollectiveDataType type, long part, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
        => Collective(group, CollectiveOperation.ReduceScatter, type, part, part * SizeOf(group), (int)ReduceOperation.Sum, bytes => Ring(group, bytes), file, line);

    /// <summary>Each rank gets the part of so many elements of every other.</summary>
    public void AllGather(int group, CollectiveDataType type, long part, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
        => Collective(group, CollectiveOperation.AllGather, type, part, part * SizeOf(group), variant: -1, bytes => Ring(group, bytes), file, line);

    /// <summary>Gives elements to the rank with that place in a group.</summary>
    public void Send(int group, CollectiveDataType type, long count, int receiver, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
        => Message(OperationKind.Send, CollectiveOperation.Send, group, type, count, receiver, file, line);

    /// <summary>Gets elements from the rank with that place in a group.</summary>
    public void Receive(int group, CollectiveDataType type, long count, int sender, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
        => Message(OperationKind.Receive, CollectiveOperation.Receive, group, type, count, sender, file, line);

    /// <summary>A task of collectives that may go on beside the computation. Returns its number.</summary>
    public int NewTask(Action write)
    {
        var outer = _current;
        _current = [];
        write();
        _tasks.Add(_current);
        _current = outer;
        return _tasks.Count - 1;
    }

    /// <summary>Gives a task away.</summary>
    public void Start(int task) => _current.Add(new Operation(OperationKind.Start, 0) { Task = task });

    /// <summary>Waits for one.</summary>
    public void Wait(int task) => _current.Add(new Operation(OperationKind.Wait, 0) { Task = task });

    /// <summary>Does one in the caller's time.</summary>
    public void Run(int task) => _current.AddRange(_tasks[task]);

    private double Ring(int group, double bytes) => links.Ring(bytes, SizeOf(group), groups.AxesOf(group));

    private void Collective(int group, CollectiveOperation operation, CollectiveDataType type, long counted, long whole, int variant, Func<double, double> seconds,
        string file, int line)
    {
        if (SizeOf(group) == 1)
        {
            return;
        }

        var bytes = whole * BytesOf(type);
        _current.Add(new Operation(OperationKind.Collective, seconds(bytes))
        {
            Group = group,
            Call = new CollectiveCall(operation, type, counted, variant, file, line),
            ByteCount = bytes,
        });
    }

    private void Message(OperationKind kind, CollectiveOperation operation, int group, CollectiveDataType type, long count, int peer, string file, int line)
    {
        var bytes = count * BytesOf(type);
        _current.Add(new Operation(kind, links.Message(bytes, groups.AxesOf(group)[0]))
        {
            Group = group,
            Call = new CollectiveCall(operation, type, count, peer, file, line),
            ByteCount = bytes,
        });
    }

    private static long BytesOf(CollectiveDataType type) => type switch
    {
        CollectiveDataType.BFloat16 => 2,
        CollectiveDataType.Float32 or CollectiveDataType.Int32 => 4,
        _ => 8,
    };
}
