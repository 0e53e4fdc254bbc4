using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using KvShiftScale.Core.Progress;

namespace KvShiftScale.Core.Faults;

/// <summary>
/// Faults that the environment asks for, so that tests can kill, stall or mislead a real rank at an exact moment. Without the variable,
/// passing a point costs one comparison.
/// </summary>
public static partial class InjectedFaults
{
    /// <summary>The environment variable with the faults.</summary>
    public const string Variable = "KVSHIFT_INJECT";

    private const int SigKill = 9;
    private const int SigTerm = 15;

    // Of Linux on x86 and ARM.
    private const int SigUsr1 = 10;

    private static readonly ConcurrentDictionary<string, long> Visits = new();

    // Some steps of a small model.
    private static readonly TimeSpan Linger = TimeSpan.FromSeconds(1);

    // Filled before work begins, and only read from then on.
    private static readonly List<InjectedFault> Faults = [];

    /// <summary>Takes the faults meant for this rank. Nothing given: none.</summary>
    /// <exception cref="UsageException">The text is not a list of faults.</exception>
    public static void Load(string? text, int rank)
    {
        Faults.Clear();
        Faults.AddRange((text ?? "").Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
            .Select(InjectedFault.Parse).Where(fault => fault.Rank is null || fault.Rank == rank));
        // A test that is to draw one of the visits has to know how many there are.
        if (Faults.Exists(fault => fault.Action == "count"))
        {
            AppDomain.CurrentDomain.ProcessExit += (_, _) => TellVisits(rank);
        }
    }

    /// <summary>Some fault is meant for this rank.</summary>
    public static bool Any => Faults.Count > 0;

    /// <summary>Execution has come to a point for the next time: a fault that waits for it strikes.</summary>
    /// <exception cref="IOException">The fault is <c>throw</c>.</exception>
    public static void Reach(string point)
    {
        if (Any)
        {
            Reach(point, Visits.AddOrUpdate(point, 1, (_, visits) => visits + 1));
        }
    }

    /// <summary>Execution has come to a point that has a number of its own, a step.</summary>
    /// <exception cref="IOException">The fault is <c>throw</c>.</exception>
    public static void Reach(string point, long number)
    {
        foreach (var fault in Faults)
        {
            if (fault.Point == point && (fault.Number ?? number) == number)
            {
                Commit(fault);
            }
        }
    }

    /// <summary>Whether a fault of this name waits for this point; what it means is the caller's.</summary>
    public static bool Strikes(string action, string point, long number)
        => Faults.Exists(fault => fault.Action == action && fault.Point == point && (fault.Number ?? number) == number);

    private static void TellVisits(int rank)
    {
        foreach (var fault in Faults.Where(fault => fault.Action == "count"))
        {
            Console.Error.WriteLine(FormattableString.Invariant($"rank {rank} has come to {fault.Point} {Visits.GetValueOrDefault(fault.Point)} times"));
        }
    }

    private static void Commit(InjectedFault fault)
    {
        switch (fault.Action)
        {
            case "kill":
                _ = Kill(Environment.ProcessId, SigKill);
                break;
            case "term":
                _ = Kill(Environment.ProcessId, SigTerm);
                break;
            case "save":
                _ = Kill(Environment.ProcessId, SigUsr1);
                break;
            case "stall":
                Thread.Sleep(Timeout.Infinite);
                break;
            case "hold":
                Console.Error.WriteLine($"held at {fault.Point}");
                Console.Error.Flush();
                Thread.Sleep(Timeout.Infinite);
                break;
            case "linger":
                Thread.Sleep(Linger);
                break;
            case "slow":
                // Seconds of work that says that it gets on.
                for (var i = 0; i < 70; i++)
                {
                    Thread.Sleep(100);
                    RunProgress.Advance();
                }
                break;
            case "throw":
                throw new IOException($"injected fault at {fault.Point}");
        }
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}
