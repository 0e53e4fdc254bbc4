using System.Globalization;
using System.Text.RegularExpressions;

namespace KvShiftScale.CrashProgram;

/// <summary>
/// One run that is killed once or more, loses bits of its checkpoints between its launches, changes its ranks, and has to end with the bits of an
/// undisturbed one. Each start has to say from which checkpoint it goes on and which it rejects.
/// </summary>
internal sealed partial class CrashTrial
{
    private readonly Workshop _workshop;
    private readonly Random _random;
    private readonly string _folder;
    private readonly RunTraces _traces;
    private readonly int _tensor;
    private readonly int _pipeline;
    private readonly List<string> _done = [];

    // Checkpoints that this trial has damaged: path, when its manifest was written, and the file's name.
    private readonly Dictionary<string, (DateTime Written, string File)> _damaged = [];

    public CrashTrial(Workshop workshop, int seed, int number)
    {
        _workshop = workshop;
        _random = new Random(unchecked(seed * 1_000_003 + number));
        _folder = workshop.NewFolder(number.ToString("D6", CultureInfo.InvariantCulture));
        _traces = new RunTraces(Path.Combine(_folder, "r"));
        // Bits depend on the tensor degree and on the stages, so that these stay; all else may change from launch to launch.
        (_tensor, _pipeline) = _random.Next(6) switch { 0 => (2, 1), 1 => (1, 2), _ => (1, 1) };
    }

    /// <summary>What has been done so far, for the table.</summary>
    public string Story => string.Join("; ", _done);

    /// <summary>Launches that were killed.</summary>
    public int Crashes { get; private set; }

    /// <summary>Kills at a point of a save that were asked for.</summary>
    public int Injected { get; private set; }

    /// <summary>Those that came to pass.</summary>
    public int Struck { get; private set; }

    /// <summary>Those of them on a rank that is not the first.</summary>
    public int StruckBesideFirst { get; private set; }

    /// <summary>Checkpoints whose files were changed.</summary>
    public int Damages { get; private set; }

    /// <summary>Runs the trial.</summary>
    /// <exception cref="TrialFault">The run did not come through it.</exception>
    public void Run()
    {
        var launches = _random.Next(1, 4);
        for (var i = 0; i < launches && !IsDone; i++)
        {
            CrashOnce();
            if (_random.Next(2) == 0)
            {
                Damage();
            }
        }

        // A kill that comes too late finds a run that is done.
        if (NewestGood() != Workshop.CrashSteps)
        {
            Launch(ChooseLayout(), null, launch => Require(launch.Wait() == 0, "the last launch failed", launch));
        }

        var (bits, curve) = _workshop.CrashReference(_tensor, _pipeline);
        Require(_traces.Bits(Workshop.CrashSteps) == bits, "parameters and moments have other bits than those of an undisturbed run");
        Require(_traces.Curve() == curve, "metrics.jsonl has other numbers than that of an undisturbed run:\n"
            + string.Join('\n', _traces.Curve().Split('\n').Except(curve.Split('\n')).Take(3)));
        Require(_traces.Unfinished().Count == 0, "an unfinished checkpoint stays");
    }

    private bool IsDone => _traces.Finished() is [(Workshop.CrashSteps, _), ..];

    private RunLayout ChooseLayout()
    {
        // Four ranks on two cores take as long as eight launches of one, so they are rare.
        var sharing = _tensor * _pipeline;
        var replicas = _random.Next(20) switch { < 5 => 1, < 19 => sharing == 1 || _random.Next(4) == 0 ? 2 : 1, _ => 4 };
        return new RunLayout(Math.Min(4, sharing * replicas), _tensor, _random.Next(3) == 0, _pipeline);
    }

    private void CrashOnce()
    {
        var layout = ChooseLayout();
        var measure = _workshop.Measure(layout);
        int? rank = _random.Next(3) == 0 ? null : _random.Next(layout.Ranks);
        var who = rank is null ? "all ranks" : $"rank {rank}";
        var left = (double)(Workshop.CrashSteps - (NewestGood() ?? 0)) / Workshop.CrashSteps;
        switch (_random.Next(8))
        {
            case 0:
                var step = (NewestGood() ?? 0) + _random.Next(1, (int)(left * Workshop.CrashSteps) + 1);
                CrashAt(layout, rank, who, "step", step);
                break;
            case < 6:
                // What is left of the run has about that share of the visits. Some ranks never come to some points: only the first one deletes.
                var visitor = rank ?? _random.Next(layout.Ranks);
                var points = LaunchMeasure.Points.Where(point => measure.VisitsOf(visitor, point) > 0).ToArray();
                var chosen = points[_random.Next(points.Length)];
                CrashAt(layout, rank, who, chosen, _random.Next(1, Math.Max(1, (int)(left * measure.VisitsOf(visitor, chosen))) + 1));
                break;
            default:
                CrashAtSomeMoment(layout, rank, who, measure.Milliseconds);
                break;
        }
    }

    private void CrashAt(RunLayout layout, int? rank, string who, string point, long number)
    {
        Tell(FormattableString.Invariant($"{layout}: {who} killed at {point} {number}"));
        var isSave = point != "step";
        if (isSave)
        {
            Injected++;
        }

        Launch(layout, FormattableString.Invariant($"kill@{point}:{number}{(rank is null ? "" : $",rank={rank}")}"), launch =>
        {
            if (!WaitForCrash(launch) || !isSave)
            {
                return;
            }

            Struck++;
            if (rank is > 0)
            {
                StruckBesideFirst++;
            }
        });
    }

    private void CrashAtSomeMoment(RunLayout layout, int? rank, string who, int milliseconds)
    {
        var moment = _random.Next(milliseconds);
        var also = rank is null && _random.Next(2) == 0;
        Tell(FormattableString.Invariant($"{layout}: {who}{(also ? " and mpirun" : "")} killed after {moment} ms"));
        Launch(layout, "", launch =>
        {
            // From when there is somebody to kill.
            var ranks = SystemProcesses.RanksOf(_folder);
            for (var deadline = DateTime.UtcNow.AddSeconds(30); ranks.Count < layout.Ranks && !launch.HasEnded && DateTime.UtcNow < deadline; Thread.Sleep(5))
            {
                ranks = SystemProcesses.RanksOf(_folder);
            }

            Thread.Sleep(moment);
            if (rank is not null)
            {
                ranks = [.. ranks.Skip(rank.Value).Take(1)];
            }

            if (also)
            {
                ranks.Insert(0, launch.ProcessId);
            }

            foreach (var process in ranks)
            {
                SystemProcesses.Signal(process, SystemProcesses.SigKill);
            }

            WaitForCrash(launch);
        });
    }

    private bool WaitForCrash(RunningLaunch launch)
    {
        var code = launch.Wait();
        if (code == 0)
        {
            Tell("not reached");
        }
        else
        {
            Crashes++;
        }
        // A rank that sees the death of another before mpirun does may fail over it: 1 then.
        Require(code is 0 or 1 or 128 + SystemProcesses.SigKill, FormattableString.Invariant($"exit code {code} of a launch that was killed"), launch);
        if (code == 1)
        {
            Tell("exit code 1");
        }

        return code != 0;
    }

    private long? NewestGood()
        => _traces.Finished().Where(checkpoint => !IsDamaged(checkpoint.Path)).Select(checkpoint => (long?)checkpoint.Step).FirstOrDefault();

    private void Launch(RunLayout layout, string? faults, Action<RunningLaunch> see)
    {
        var finished = _traces.Finished();
        var good = NewestGood();
        var rejected = finished.Where(checkpoint => checkpoint.Step > (good ?? -1)).Select(checkpoint => (checkpoint.Path, Reason: _damaged[checkpoint.Path].File))
            .Concat(_traces.Unfinished().Where(checkpoint => checkpoint.Step >= (good ?? -1)).Select(checkpoint => (checkpoint.Path, Reason: "was never finished"))).ToList();

        using var launch = RunningLaunch.Start(Workshop.Command(_workshop.CrashConfig, _folder, layout), _folder, faults);
        see(launch);
        var output = launch.Output;
        // One that was killed early has not said anything.
        if (Beginning().Match(output) is not { Success: true } beginning)
        {
            Require(faults is not null, "does not say where it starts", launch);
            return;
        }
        var from = beginning.Groups["step"] is { Success: true, Value: var step } ? long.Parse(step, CultureInfo.InvariantCulture) : (long?)null;
        Require(from == good, $"starts from {Name(from)}, wanted {Name(good)}", launch);
        foreach (var (path, reason) in rejected)
        {
            Require(output.Split('\n').Any(line => line.Contains($"checkpoint rejected: {path}: ", StringComparison.Ordinal) && line.Contains(reason, StringComparison.Ordinal)),
                $"does not say that {Path.GetFileName(path)} is rejected for {reason}", launch);
        }
        var found = output.Split('\n').Count(line => line.Contains("checkpoint rejected:", StringComparison.Ordinal));
        Require(found == rejected.Count, $"rejects {found} checkpoints, wanted {rejected.Count}", launch);
        if (faults is null)
        {
            Tell($"{layout}: to the end");
        }

        Tell($"from {Name(from)}{(rejected.Count > 0 ? $", {rejected.Count} rejected" : "")}");

        static string Name(long? step) => step is null ? "the beginning" : FormattableString.Invariant($"step {step}");
    }

    private bool IsDamaged(string path)
        => _damaged.TryGetValue(path, out var damage) && File.GetLastWriteTimeUtc(Path.Combine(path, "manifest.json")) == damage.Written;

    // Changes the newest good checkpoint, or the two newest, but never the only one: a run without any is refused, as it should be.
    private void Damage()
    {
        var good = _traces.Finished().Where(checkpoint => !IsDamaged(checkpoint.Path)).ToList();
        foreach (var (step, path) in good.Take(Math.Min(_random.Next(1, 3), good.Count - 1)))
        {
            var files = Directory.GetFiles(path).Order(StringComparer.Ordinal).ToArray();
            var file = files[_random.Next(files.Length)];
            var bytes = File.ReadAllBytes(file);
            var what = _random.Next(bytes.Length > 0 ? 5 : 1);
            if (what == 0)
            {
                File.Delete(file);
            }
            else if (what == 1)
            {
                File.WriteAllBytes(file, bytes[.._random.Next(bytes.Length)]);
            }
            else
            {
                bytes[_random.Next(bytes.Length)] ^= (byte)(1 << _random.Next(8));
                File.WriteAllBytes(file, bytes);
            }
            var name = Path.GetFileName(file);
            _damaged[path] = (File.GetLastWriteTimeUtc(Path.Combine(path, "manifest.json")), name);
            Damages++;
            Tell(FormattableString.Invariant($"{name} of step {step} {(what == 0 ? "deleted" : what == 1 ? "cut short" : "has a flipped bit")}"));
        }
    }

    private void Tell(string what) => _done.Add(what);

    private static void Require(bool condition, string what, RunningLaunch? launch = null)
    {
        if (!condition)
        {
            throw new TrialFault(what + (launch is null ? "" : "\n" + launch.Output));
        }
    }

    [GeneratedRegex(@"r: (starting;|going on from the checkpoint of step (?<step>[0-9]+)[,;])")]
    private static partial Regex Beginning();
}
