using System.Runtime.InteropServices;
using KvShiftScale.Parallel.Collectives;

namespace KvShiftScale.Simulation;

/// <summary>
/// Runs the programs of all ranks of a launch with a clock instead of tensors. Each thread of a rank has a clock of its own and goes on until it has to wait; a
/// collective ends on all ranks of its group when the last has come and the transfer is over. Nothing depends on who is looked at first: there is no queue of
/// events, because links are not shared and so ranks meet nowhere else.
/// </summary>
internal sealed class LaunchSimulation
{
    private readonly LaunchGroups _groups;
    private readonly Stragglers _stragglers;
    private readonly SimulationRules _rules;
    private readonly RankWorker[] _computing;
    private readonly RankWorker[] _beside;
    private readonly TaskState[][] _tasks;
    private readonly GroupLedger[][] _ledgers;
    private readonly Meeting[][] _meetings;
    private readonly Dictionary<(int Kind, int Group, int From, int To), Channel> _channels = [];
    private readonly Stack<RankWorker> _ready = [];
    private long _operations;

    /// <param name="groups">The groups of the launch.</param>
    /// <param name="programs">What each rank does in a step.</param>
    /// <param name="rules">What sends wait for and what overlaps.</param>
    /// <param name="stragglers">Which ranks are slow.</param>
    public LaunchSimulation(LaunchGroups groups, IReadOnlyList<RankProgram> programs, SimulationRules rules, Stragglers stragglers)
    {
        (_groups, _rules, _stragglers) = (groups, rules, stragglers);
        var ranks = Enumerable.Range(0, groups.Layout.WorldSize);
        _computing = [.. ranks.Select(rank => new RankWorker(rank, isBeside: false) { Operations = programs[rank].Computing })];
        _beside = [.. ranks.Select(rank => new RankWorker(rank, isBeside: true))];
        _tasks = [.. programs.Select(program => program.Tasks.Select(operations => new TaskState(operations)).ToArray())];
        CollectiveLedger[] launch = [.. ranks.Select(rank => new CollectiveLedger(rank, isChecking: false))];
        var kinds = Enumerable.Range(0, groups.Count);
        _ledgers = [.. kinds.Select(kind => ranks.Select(rank => new GroupLedger(groups.IdentityOf(kind, rank), launch[rank], handle: null)).ToArray())];
        _meetings = [.. kinds.Select(kind => Enumerable.Range(0, groups.CountOf(kind)).Select(_ => new Meeting()).ToArray())];
    }

    /// <summary>Runs steps until all ranks have ended.</summary>
    /// <param name="steps">At least two; the first is not measured, since nothing of a step before it is under way.</param>
    /// <exception cref="StandstillException">Ranks wait for each other.</exception>
    /// <exception cref="CollectiveMismatchException">Ranks of a group have come to different collectives.</exception>
    /// <exception cref="MessageMismatchException">A message is not what its receiver has room for.</exception>
    public SimulationResult Run(int steps)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(steps, 2);
        var ends = new double[steps];
        foreach (var worker in _computing.Reverse())
        {
            worker.StepsLeft = steps;
            MakeReady(worker);
        }

        while (_ready.TryPop(out var worker))
        {
            worker.IsReady = false;
            Advance(worker, ends);
        }

        if (_computing.Any(worker => !worker.HasEnded))
        {
            throw new StandstillException(new Standstill(_groups, _computing, _beside).Describe());
        }

        return new SimulationResult((ends[^1] - ends[0]) / (steps - 1), Mean(worker => worker.ComputeSeconds), Mean(worker => worker.TransferSeconds),
            Mean(worker => worker.LateSeconds), Mean(worker => worker.ExposedSeconds), _operations);

        double Mean(Func<RankWorker, double> seconds) => _computing.Average(seconds) / (steps - 1);
    }

    private void Advance(RankWorker worker, double[] ends)
    {
        while (Next(worker, ends))
        {
            ref readonly var operation = ref worker.Operations[worker.Next++];
            _operations++;
            var goesOn = operation.Kind switch
            {
                OperationKind.Compute => Compute(worker, operation),
                OperationKind.Collective => Meet(worker, operation),
                OperationKind.Send or OperationKind.Receive => Exchange(worker, operation),
                OperationKind.Start => Start(worker, operation.Task),
                _ => Await(worker, _tasks[worker.Rank][operation.Task]),
            };
            if (!goesOn)
            {
                return;
            }
        }
    }

    // Whether there is something to do: of the step, of the next step, or of the next task.
    private bool Next(RankWorker worker, double[] ends)
    {
        if (worker.Next < worker.Operations.Length)
        {
            return true;
        }

        if (worker.IsBeside)
        {
            if (worker.Task is { } done)
            {
                Finish(worker, done);
            }

            if (!worker.Queue.TryDequeue(out var next))
            {
                return false;
            }

            worker.Time = Math.Max(worker.Time, next.Given);
            (worker.Task, worker.Operations, worker.Next) = (next.Task, next.Task.Operations, 0);
            return Next(worker, ends);
        }

        var step = ends.Length - worker.StepsLeft--;
        ends[step] = Math.Max(ends[step], worker.Time);
        if (step == 0)
        {
            worker.ForgetSeconds();
        }

        worker.Next = 0;
        return worker.StepsLeft > 0 && worker.Operations.Length > 0;
    }

    private bool Compute(RankWorker worker, in Operation operation)
    {
        var seconds = operation.Seconds * _stragglers.Factor(worker.Rank, worker.Pieces++);
        worker.Time += seconds;
        worker.ComputeSeconds += seconds;
        return true;
    }

    private bool Meet(RankWorker worker, in Operation operation)
    {
        var place = _groups.PlaceOf(operation.Group, worker.Rank);
        var identity = _groups.IdentityOf(operation.Group, worker.Rank);
        var meeting = _meetings[operation.Group][place.Group];
        var begun = _ledgers[operation.Group][worker.Rank].Begin(operation.Call, operation.ByteCount);
        meeting.Come(worker, place.Index, identity.Members.Count, begun, operation);
        if (meeting.Workers.Count < identity.Members.Count)
        {
            worker.WaitsIn = operation;
            return false;
        }

        meeting.RequireSame(identity);
        var latest = meeting.Workers.Max(other => other.Time);
        foreach (var other in meeting.Workers)
        {
            _ledgers[operation.Group][other.Rank].End(other.Call);
            other.LateSeconds += latest - other.Time;
            other.TransferSeconds += meeting.Seconds;
            other.Time = latest + meeting.Seconds;
            Resume(other, worker);
        }

        meeting.Clear();
        return true;
    }

    private bool Exchange(RankWorker worker, in Operation operation)
    {
        var (group, own) = _groups.PlaceOf(operation.Group, worker.Rank);
        var isSend = operation.Kind == OperationKind.Send;
        var (from, to) = isSend ? (own, operation.Call.Variant) : (operation.Call.Variant, own);
        ref var channel = ref CollectionsMarshal.GetValueRefOrAddDefault(_channels, (operation.Group, group, from, to), out _);
        channel ??= new Channel();
        var ledger = _ledgers[operation.Group][worker.Rank];
        worker.Call = ledger.BeginMessage(operation.Call, operation.ByteCount);
        var isEager = isSend && operation.ByteCount <= _rules.EagerBytes;
        if (isEager)
        {
            ledger.End(worker.Call);
            channel.Sent.Enqueue((worker.Time, operation.Call, null));
        }
        else if (isSend)
        {
            channel.Sent.Enqueue((worker.Time, operation.Call, worker));
            worker.WaitsIn = operation;
        }
        else
        {
            channel.Receiver = worker;
            worker.WaitsIn = operation;
        }

        if (channel.Receiver is not { } receiver || !channel.Sent.TryDequeue(out var sent))
        {
            return isEager;
        }

        channel.Receiver = null;
        RequireRoom(_groups.IdentityOf(operation.Group, worker.Rank), sent.Call, receiver.WaitsIn!.Value.Call, from, to);
        var (begun, seconds) = (Math.Max(sent.Time, receiver.Time), receiver.WaitsIn.Value.Seconds);
        foreach (var other in (RankWorker?[])[receiver, sent.Sender])
        {
            if (other is null)
            {
                continue;
            }

            _ledgers[operation.Group][other.Rank].End(other.Call);
            other.LateSeconds += begun - other.Time;
            other.TransferSeconds += seconds;
            other.Time = begun + seconds;
            Resume(other, worker);
        }

        return true;
    }

    private bool Start(RankWorker worker, int number)
    {
        var (task, beside) = (_tasks[worker.Rank][number], _beside[worker.Rank]);
        task.Begin();
        beside.Queue.Enqueue((task, worker.Time));
        // One that is at a task comes to it by itself.
        if (beside.Task is null)
        {
            MakeReady(beside);
        }

        return true;
    }

    private bool Await(RankWorker worker, TaskState task)
    {
        if (task.IsUnderWay)
        {
            (task.Waiter, worker.WaitsFor) = (worker, task);
            return false;
        }

        Take(worker, task);
        return true;
    }

    private void Finish(RankWorker beside, TaskState task)
    {
        beside.Task = null;
        task.End(beside.Time);
        if (task.Waiter is not { } waiter)
        {
            return;
        }

        (task.Waiter, waiter.WaitsFor) = (null, null);
        Take(waiter, task);
        MakeReady(waiter);
    }

    // What cannot be hidden of a transfer is waited for even where it is over.
    private void Take(RankWorker worker, TaskState task)
    {
        var exposed = task.TakeExposed(worker.Time, 1 - _rules.OverlapShare);
        worker.Time += exposed;
        worker.ExposedSeconds += exposed;
    }

    private void Resume(RankWorker other, RankWorker current)
    {
        other.WaitsIn = null;
        if (other != current)
        {
            MakeReady(other);
        }
    }

    private void MakeReady(RankWorker worker)
    {
        if (!worker.IsReady)
        {
            worker.IsReady = true;
            _ready.Push(worker);
        }
    }

    private static void RequireRoom(GroupIdentity group, in CollectiveCall sent, in CollectiveCall received, int from, int to)
    {
        if (sent.Count != received.Count || sent.DataType != received.DataType)
        {
            throw new MessageMismatchException(
                $"rank {group.Members[from]} has sent in {group}: {sent} at {sent.Site}; rank {group.Members[to]} has room for: {received} at {received.Site}");
        }
    }

    /// <summary>Ranks of one group on their way into a collective.</summary>
    private sealed class Meeting
    {
        private (long Sequence, CollectiveCall Call)[] _calls = [];
        private (long Sequence, CollectiveCall Call) _newest;
        private bool _isMixed;

        public List<RankWorker> Workers { get; } = [];

        public double Seconds { get; private set; }

        public void Come(RankWorker worker, int index, int size, in GroupLedger.Recorded begun, in Operation operation)
        {
            if (_calls.Length == 0)
            {
                _calls = new (long, CollectiveCall)[size];
            }

            worker.Call = begun;
            _calls[index] = (begun.Sequence, operation.Call);
            _isMixed |= Workers.Count > 0 && _calls[index] != _newest;
            _newest = _calls[index];
            Seconds = Math.Max(Seconds, operation.Seconds);
            Workers.Add(worker);
        }

        public void RequireSame(GroupIdentity identity)
        {
            if (_isMixed)
            {
                CollectiveAgreement.RequireSame(identity, _calls);
            }
        }

        public void Clear()
        {
            Workers.Clear();
            Seconds = 0;
        }
    }

    /// <summary>Messages from one rank of a group to another.</summary>
    private sealed class Channel
    {
        // A sender that has gone on is null.
        public Queue<(double Time, CollectiveCall Call, RankWorker? Sender)> Sent { get; } = [];

        public RankWorker? Receiver { get; set; }
    }
}
