using System.Diagnostics;
using KvShiftScale.Core.Files;
using KvShiftScale.Core.Text;
using KvShiftScale.Parallel.Control;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Trainer.Launch;
using static TorchSharp.torch;

namespace KvShiftScale.Trainer.Diagnosis;

/// <summary>What the ranks of a launch find together: where they are, whether they see one folder, how fast they talk to each other.</summary>
/// <param name="ranks">All of them.</param>
/// <param name="addresses">Where each one is.</param>
/// <param name="patience">How long a file may take to be seen by another rank.</param>
internal sealed class LaunchDiagnosis(ParallelContext ranks, IReadOnlyList<RankAddress> addresses, TimeSpan patience)
{
    private const int Rounds = 5;
    private const int LargeElements = 4 << 20;
    private const int PingRounds = 200;

    // Between machines of one cluster; below, a step of a larger model is spent in waiting.
    private const double WantedBytesPerSecond = 1e9;

    /// <summary>Everything. Collective; the first rank's list is the one to show.</summary>
    /// <param name="folder">Where runs are written.</param>
    public IReadOnlyList<Finding> Look(string folder)
    {
        var findings = new List<Finding> { Places(), Folder(folder) };
        if (ranks.World.Size > 1)
        {
            findings.Add(Sum());
            findings.AddRange(Neighbours());
        }

        return findings;
    }

    private Finding Places()
    {
        var machines = addresses.GroupBy(address => address.Kernel).Select(same => $"{same.First().Host} x {same.Count()}").ToList();
        return new("ranks", $"{addresses.Count} on {machines.Count} {(machines.Count == 1 ? "machine" : "machines")}: {string.Join(", ", machines)}");
    }

    // A file that the first rank writes and every rank reads; checkpoints go the same way.
    private Finding Folder(string folder)
    {
        var began = Stopwatch.GetTimestamp();
        var (mark, fault) = ranks.World.Rank == 0 ? Write(folder) : ("", "");
        var written = Stopwatch.GetElapsedTime(began);
        mark = ranks.BroadcastText(mark);
        if (mark.Length == 0)
        {
            return new("run folder", $"{Path.GetFullPath(folder)} cannot be written: {fault}", "choose another run.directory, or have the right to write there", StopsTraining: true);
        }

        began = Stopwatch.GetTimestamp();
        while (!File.Exists(mark) && Stopwatch.GetElapsedTime(began) < patience)
        {
            Thread.Sleep(20);
        }

        var seen = File.Exists(mark) ? Stopwatch.GetElapsedTime(began).TotalSeconds : double.PositiveInfinity;
        var all = ranks.World.Gather<double>([seen]);
        if (ranks.World.Rank != 0)
        {
            // The first one speaks for all; what lies below the folder's name here may be nothing.
            return new("run folder", folder);
        }

        File.Delete(mark);
        long[] blind = [.. all.Index().Where(rank => double.IsInfinity(rank.Item[0])).Select(rank => (long)rank.Index)];
        var free = Quantity.Bytes(new DriveInfo(Path.GetFullPath(folder)).AvailableFreeSpace);
        return blind.Length > 0
            ? new("run folder", $"{Path.GetFullPath(folder)}: a file that rank 0 wrote is not seen by {(blind.Length == 1 ? "rank" : "ranks")} {string.Join(", ", blind)} after {patience.TotalSeconds:0.#} s",
                "put run.directory on a file system that all machines see", StopsTraining: true)
            : new("run folder", Quantity.Format(
                $"{Path.GetFullPath(folder)}: {free} free; a flushed file takes {written.TotalMilliseconds:0.0} ms{(ranks.World.Size > 1 ? Quantity.Format($", seen by all ranks after {all.Max(rank => rank[0]):0.00} s") : "")}"));
    }

    // The file, or why there is none.
    private static (string Mark, string Fault) Write(string folder)
    {
        try
        {
            Directory.CreateDirectory(folder);
            var mark = Path.Combine(folder, $".doctor-{Guid.NewGuid():N}");
            DurableFile.Replace(mark, "doctor");
            return (mark, "");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return ("", error.Message);
        }
    }

    private Finding Sum()
    {
        using var scope = NewDisposeScope();
        var values = ranks.World.Collectives.Allocate(LargeElements, ScalarType.Float32) ?? zeros(LargeElements, ScalarType.Float32);
        var seconds = Best(() => ranks.World.Collectives.AllReduce(values));
        var rate = LargeElements * sizeof(float) / seconds;
        return new("all_reduce", Quantity.Format($"{Quantity.Bytes(LargeElements * sizeof(float))} over all ranks in {seconds * 1e3:0.0} ms, {Quantity.Bytes((long)rate)}/s"));
    }

    // Each rank and the next one, a pair after the other, so that no pair disturbs another one.
    private IReadOnlyList<Finding> Neighbours()
    {
        var measured = new double[ranks.World.Size * 2];
        for (var first = 0; first < ranks.World.Size - 1; first++)
        {
            if (ranks.World.Rank == first || ranks.World.Rank == first + 1)
            {
                (measured[2 * first], measured[(2 * first) + 1]) = Pair(first, first + 1);
            }

            ranks.World.Barrier();
        }

        // Both of a pair have measured the same.
        ranks.World.Max<double>(measured);
        var pairs = Enumerable.Range(0, ranks.World.Size - 1).Select(first => (First: first, Seconds: measured[2 * first], Rate: measured[(2 * first) + 1])).ToList();
        return [.. pairs.GroupBy(pair => addresses[pair.First].Kernel == addresses[pair.First + 1].Kernel).Select(same => Describe(same.Key, [.. same]))];
    }

    private Finding Describe(bool onOneMachine, IReadOnlyList<(int First, double Seconds, double Rate)> pairs)
    {
        var (slowest, latest) = (pairs.MinBy(pair => pair.Rate), pairs.MaxBy(pair => pair.Seconds));
        return new(onOneMachine ? "links in a machine" : "links between machines", Quantity.Format(
            $"slowest of {pairs.Count}: {Quantity.Bytes((long)slowest.Rate)}/s ({Name(slowest.First)}), {latest.Seconds * 1e6:0.0} us one way ({Name(latest.First)})"),
            slowest.Rate >= WantedBytesPerSecond || onOneMachine ? null
                : "slow for data parallelism: is MPI on the fast network? Open MPI: --mca btl_tcp_if_include NETWORK, or UCX");

        string Name(int first) => $"rank {first} on {addresses[first].Host} and rank {first + 1} on {addresses[first + 1].Host}";
    }

    private (double Seconds, double Rate) Pair(int first, int second)
    {
        using var scope = NewDisposeScope();
        var (isFirst, other) = ranks.World.Rank == first ? (true, second) : (false, first);
        var small = zeros(1, ScalarType.Float32);
        var large = zeros(LargeElements, ScalarType.Float32);
        // Pages, connections.
        Exchange(large);
        var seconds = double.MaxValue;
        for (var round = 0; round < Rounds; round++)
        {
            var began = Stopwatch.GetTimestamp();
            for (var ping = 0; ping < PingRounds; ping++)
            {
                Exchange(small);
            }

            seconds = Math.Min(seconds, Stopwatch.GetElapsedTime(began).TotalSeconds / PingRounds / 2);
        }

        return (seconds, LargeElements * sizeof(float) / (Best(() => Exchange(large)) / 2));

        void Exchange(Tensor tensor)
        {
            if (isFirst)
            {
                ranks.World.Collectives.Send(tensor, other);
                ranks.World.Collectives.Receive(tensor, other);
            }
            else
            {
                ranks.World.Collectives.Receive(tensor, other);
                ranks.World.Collectives.Send(tensor, other);
            }
        }
    }

    private static double Best(Action work)
    {
        var best = double.MaxValue;
        for (var round = 0; round <= Rounds; round++)
        {
            var began = Stopwatch.GetTimestamp();
            work();
            best = Math.Min(best, Stopwatch.GetElapsedTime(began).TotalSeconds);
        }

        return best;
    }
}
