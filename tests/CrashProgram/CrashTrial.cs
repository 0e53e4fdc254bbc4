using System.Globalization;
using System.Text.RegularExpressions;

namespace KvShiftScale.CrashProgram;

/// <summary>
/// One run that is killed once or more, loses bits of its checkpoints between its launches, changes its ranks, and has to end with the bits of an
/// undisturbed one. Each start has to say from which checkpoint it goes on and which it rejects.
/// </summary>
internal sealed partial class CrashTrial
{
    // A launch without a fault takes about so long on a quiet core or two; a moment for a kill is drawn from it.
    private const int LaunchMilliseconds = 2200;

    // Of what a process does in one launch; a number that is not reached leaves the kill at a later step.
    private static readonly (string Point, int Most)[] s_points = [("file.write", 16), ("file.flush", 40), ("file.rename", 20), ("file.delete", 6)];

    private readonly Workshop _workshop;
    private readonly Random _random;
    private readonly string _folder;
    private readonly RunTraces _traces;
    private readonly int _tensor;
    private readonly List<string> _done = [];

    // Checkpoints that this trial has damaged: path, when its manifest was written, and the file's name.
    private readonly Dictionary<string, (DateTime Written, string File)> _damaged = [];

    public CrashTrial(Workshop workshop, int seed, int number)
    {
        _workshop = workshop;
        _random = new Random(unchecked(seed * 1_000_003 + number));
        _folder = workshop.NewFolder(number.ToString("D6", CultureInfo.InvariantCulture));
        _traces = new RunTraces(Path.Combine(_folder, "r"));
        // Bits depend on the tensor degree, so that it stays; all else may change from launch to launch.
        _tensor = _random.Next(6) == 0 ? 2 : 1;
    }

    /// <summary>What has been done so far, for the table.</summary>
    public string Story => string.Join("; ", _done);

    /// <summary>Launches that were killed.</summary>
    public int Crashes { get; private set; }

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
            if (_random.Next(2) == 0) Damage();
        }

        Launch(ChooseLayout(), null, launch => Require(launch.Wait() == 0, "the last launch failed", launch));
        var (bits, curve) = _workshop.CrashReference(_tensor);
        Require(_traces.Bits(Workshop.CrashSteps) == bits, "parameters and moments have other bits than those of an undisturbed run");
        Require(_traces.Curve() == curve, "metrics.jsonl has other numbers than that of an undisturbed run:\n"
            + string.Join('\n', _traces.Curve().Split('\n').Except(curve.Split('\n')).Take(3)));
        Require(_traces.Unfinished().Count == 0, "an unfinished checkpoint stays");
    }

    private bool IsDone => _traces.Finished() is [(Workshop.CrashSteps, _), ..];

    private RunLayout ChooseLayout()
    {
        var replicas = _random.Next(10) switch { < 2 => 1, < 9 => 2, _ => 4 };
        return new RunLayout(Math.Min(4, _tensor * replicas), _tensor, _random.Next(3) == 0);
    }

    private void CrashOnce()
    {
        var layout = ChooseLayout();
        int? rank = _random.Next(3) == 0 ? null : _random.Next(layout.Ranks);
        var who = rank is null ? "all ranks" : $"rank {rank}";
        // Ranks that wait for another do not come to a step of their own any more.
        var last = FormattableString.Invariant($"kill@step:{_random.Next(Workshop.CrashSteps / 2, Workshop.CrashSteps + 1)}");
        if (_random.Next(4) > 0)
        {
            var (point, most) = s_points[_random.Next(s_points.Length)];
            var visit = _random.Next(1, most + 1);
            Tell($"{layout}: {who} killed at {point} {visit}");
            Launch(layout, FormattableString.Invariant($"kill@{point}:{visit}{(rank is null ? "" : $",rank={rank}")};{last}"), launch => WaitForCrash(launch));
            return;
        }
        var moment = _random.Next(LaunchMilliseconds);
        var also = rank is null && _random.Next(2) == 0;
        Tell(FormattableString.Invariant($"{layout}: {who}{(also ? " and mpirun" : "")} killed after {moment} ms"));
        Launch(layout, last, launch =>
        {
            Thread.Sleep(moment);
            var ranks = SystemProcesses.RanksOf(_folder);
            if (rank is not null) ranks = [.. ranks.Skip(rank.Value).Take(1)];
            if (also) ranks.Insert(0, launch.ProcessId);
            foreach (var process in ranks) SystemProcesses.Signal(process, SystemProcesses.SigKill);
            WaitForCrash(launch);
        });
    }

    private void WaitForCrash(RunningLaunch launch)
    {
        // A fault for a later step or visit than the launch has: it ends by itself.
        var code = launch.Wait();
        if (code == 0) Tell("not reached");
        else Crashes++;
        Require(code is 0 or 128 + SystemProcesses.SigKill, FormattableString.Invariant($"exit code {code} of a launch that was killed"), launch);
    }

    private void Launch(RunLayout layout, string? faults, Action<RunningLaunch> see)
    {
        var finished = _traces.Finished();
        var good = finished.Where(checkpoint => !IsDamaged(checkpoint.Path)).Select(checkpoint => (long?)checkpoint.Step).FirstOrDefault();
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
        if (faults is null) Tell($"{layout}: to the end");
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
        if (!condition) throw new TrialFault(what + (launch is null ? "" : "\n" + launch.Output));
    }

    [GeneratedRegex(@"r: (starting;|going on from the checkpoint of step (?<step>[0-9]+);)")]
    private static partial Regex Beginning();
}
