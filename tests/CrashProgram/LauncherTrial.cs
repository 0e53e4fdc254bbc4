using System.Diagnostics;
using System.Globalization;

namespace KvShiftScale.CrashProgram;

/// <summary>
/// One run whose launch/train is killed with SIGKILL at a random moment. Five seconds later nothing that it has started runs any more, and the next launch
/// begins without waiting and ends with the bits of an undisturbed run.
/// </summary>
internal sealed class LauncherTrial
{
    /// <summary>Kinds of moments; one trial after the other takes the next.</summary>
    public const int Kinds = 3;

    private const double MostSeconds = 5;

    // Of an undisturbed launch, about, from its first process to its first steps.
    private const int StartMilliseconds = 1500;

    private static readonly RunLayout Layout = new(2, 1, false);

    private readonly int _number;
    private readonly Workshop _workshop;
    private readonly Random _random;
    private readonly string _folder;
    private readonly RunTraces _traces;
    private readonly List<string> _done = [];

    public LauncherTrial(Workshop workshop, int seed, int number)
    {
        _workshop = workshop;
        _number = number;
        _random = new Random(unchecked(seed * 1_000_037 + number));
        _folder = workshop.NewFolder("l" + number.ToString("D6", CultureInfo.InvariantCulture));
        _traces = new RunTraces(Path.Combine(_folder, "r"));
    }

    /// <summary>What has been done so far, for the table.</summary>
    public string Story => string.Join("; ", _done);

    /// <summary>From the kill until the last process was gone.</summary>
    public double Seconds { get; private set; }

    /// <summary>Runs the trial.</summary>
    /// <exception cref="TrialFault">A process stays, or the run did not come through it.</exception>
    public void Run()
    {
        var kind = (_number - 1) % Kinds;
        // The last kind has a rank that dies, and a restart that waits a second.
        using (var launch = RunningLaunch.Start(Train(kind == 2 ? ["--restart", "3"] : []), _folder, kind == 2 ? "kill@step:30,rank=1" : null))
        {
            AwaitMoment(launch, kind);
            Require(!launch.HasEnded, "launch/train ended before it was killed", launch);
            var family = SystemProcesses.FamilyOf(launch.ProcessId);
            SystemProcesses.Signal(launch.ProcessId, SystemProcesses.SigKill);
            AwaitEnd(launch, family);
        }

        using var next = RunningLaunch.Start(Train([]), _folder);
        Require(next.Wait() == 0, "the next launch failed", next);
        Require(!next.Output.Contains("is in use by", StringComparison.Ordinal), "the next launch waits for the one before", next);
        var (bits, curve) = _workshop.SignalReference(1);
        Require(_traces.Bits(Workshop.SignalSteps) == bits, "parameters and moments have other bits than those of an undisturbed run");
        Require(_traces.Curve() == curve, "metrics.jsonl has other numbers than that of an undisturbed run");
    }

    private void AwaitMoment(RunningLaunch launch, int kind)
    {
        var (steps, moment) = kind switch
        {
            0 => (0, _random.Next(StartMilliseconds)),
            1 => (_random.Next(1, Workshop.SignalSteps - 30), _random.Next(60)),
            _ => (0, _random.Next(900)),
        };
        Await(launch, () => SystemProcesses.FamilyOf(launch.ProcessId).Count > 1, "it starts nothing");
        Await(launch, () => _traces.LoggedSteps >= steps, "it does not get on");
        if (kind == 2)
        {
            Await(launch, () => launch.Output.Contains("restart 1 of 3", StringComparison.Ordinal), "it does not crash");
        }

        Thread.Sleep(moment);
        _done.Add(FormattableString.Invariant($"{(kind == 2 ? "in a restart" : $"after {_traces.LoggedSteps} steps")}, {moment} ms"));
    }

    private void AwaitEnd(RunningLaunch launch, List<(int Id, string Start)> family)
    {
        var killed = Stopwatch.GetTimestamp();
        for (; ; Thread.Sleep(20))
        {
            var left = family.Where(SystemProcesses.Runs).Select(process => process.Id).Union(SystemProcesses.Mentioning(_folder)).ToList();
            Seconds = Stopwatch.GetElapsedTime(killed).TotalSeconds;
            if (left.Count == 0)
            {
                _done.Add(FormattableString.Invariant($"{family.Count} processes gone after {Seconds:F1} s"));
                return;
            }

            Require(Seconds < MostSeconds, FormattableString.Invariant($"{left.Count} of {family.Count} processes run {Seconds:F1} s after it was killed"), launch);
        }
    }

    private string[] Train(string[] options)
        => ["bash", Path.Combine(Workshop.Checkout, "launch", "train"), "--ranks", "2", .. options, .. Workshop.Arguments(_workshop.SignalConfig, _folder, Layout).Skip(1)];

    private static void Await(RunningLaunch launch, Func<bool> isCome, string otherwise)
    {
        for (var deadline = DateTime.UtcNow.AddSeconds(120); !isCome(); Thread.Sleep(2))
        {
            Require(!launch.HasEnded && DateTime.UtcNow < deadline, otherwise, launch);
        }
    }

    private static void Require(bool condition, string what, RunningLaunch? launch = null)
    {
        if (!condition)
        {
            throw new TrialFault(what + (launch is null ? "" : "\n" + launch.Output));
        }
    }
}
