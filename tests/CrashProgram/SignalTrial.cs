using System.Globalization;
using System.Text.RegularExpressions;
using KvShiftScale.Parallel.Native;

namespace KvShiftScale.CrashProgram;

/// <summary>
/// One run that gets a signal at a random moment, to a random rank, to mpirun or to launch/train. It has to save at one step and leave with 75 on every
/// rank, or to save and go on; the next launch has to find nothing amiss and to end with the bits of an undisturbed run.
/// </summary>
internal sealed partial class SignalTrial
{
    private const int Stopped = 75;

    // How long an undisturbed launch takes on quiet cores after its ranks have begun, about; moments are drawn from it.
    private const int LaunchMilliseconds = 2000;

    // One trial after the other takes the next, so that thirteen in a row have all. mpirun ends ranks itself a second after SIGTERM or SIGINT.
    private static readonly (string Target, string Name, int Number)[] Kinds =
    [
        ("rank", "USR1", SystemProcesses.SigUsr1), ("rank", "TERM", SystemProcesses.SigTerm), ("launch/train", "TERM", SystemProcesses.SigTerm),
        ("mpirun", "USR2", SystemProcesses.SigUsr2), ("mpirun", "TERM", SystemProcesses.SigTerm), ("rank", "INT", SystemProcesses.SigInt),
        ("launch/train", "USR1", SystemProcesses.SigUsr1), ("mpirun", "USR1", SystemProcesses.SigUsr1), ("rank", "USR2", SystemProcesses.SigUsr2),
        ("launch/train", "INT", SystemProcesses.SigInt), ("mpirun", "INT", SystemProcesses.SigInt), ("launch/train", "HUP", SystemProcesses.SigHup),
        ("launch/train", "USR2", SystemProcesses.SigUsr2),
    ];

    private readonly int _number;
    private readonly MpiFlavor? _mpi;
    private RunLayout _layout = new(2, 1, false);
    private readonly Workshop _workshop;
    private readonly Random _random;
    private readonly string _folder;
    private readonly RunTraces _traces;
    private readonly List<string> _done = [];

    /// <param name="workshop">Data, configurations and what undisturbed runs come to.</param>
    /// <param name="seed">Seed of all trials.</param>
    /// <param name="number">The trial, from 1.</param>
    /// <param name="mpi">The MPI of its ranks; null for that of KVSHIFT_MPI, or of mpirun.</param>
    public SignalTrial(Workshop workshop, int seed, int number, MpiFlavor? mpi = null)
    {
        _mpi = mpi;
        _workshop = workshop;
        _number = number;
        _random = new Random(unchecked(seed * 1_000_033 + number));
        _folder = workshop.NewFolder((mpi is null ? "s" : $"s-{mpi.Value.Key}-") + number.ToString("D6", CultureInfo.InvariantCulture));
        _traces = new RunTraces(Path.Combine(_folder, "r"));
    }

    /// <summary>What has been done so far, for the table.</summary>
    public string Story => string.Join("; ", _done);

    /// <summary>Runs the trial.</summary>
    /// <exception cref="TrialFault">The run did not come through it.</exception>
    public void Run()
    {
        var layout = _random.Next(5) switch
        {
            0 => new RunLayout(2, 2, false),
            1 => new RunLayout(2, 1, true),
            2 => new RunLayout(2, 1, false, Pipeline: 2),
            _ => new RunLayout(2, 1, false),
        };
        var (target, name, number) = Kinds[(_number - 1) % Kinds.Length];
        _layout = layout;
        var isSave = number == SystemProcesses.SigUsr1;
        var arguments = Workshop.Arguments(_workshop.SignalConfig, _folder, layout);
        string[] command = target switch
        {
            "launch/train" => ["bash", Path.Combine(Workshop.Checkout, "launch", "train"), "--ranks", "2", .. arguments.Skip(1)],
            "mpirun" => [.. Workshop.MpiRun(2, _mpi), "bash", "-c", "trap '' USR1 USR2; exec \"$@\"", "rank", "dotnet", Workshop.Program, .. arguments],
            // Each rank's own exit code is told. mpirun ends the shells with SIGTERM once one rank has left with a code.
            _ => [.. Workshop.MpiRun(2, _mpi), "bash", "-c", "trap '' TERM; \"$@\"; code=$?; echo \"rank ${OMPI_COMM_WORLD_RANK:-$PMI_RANK} left with $code\"; exit $code",
                "rank", "dotnet", Workshop.Program, .. arguments],
        };

        using (var launch = RunningLaunch.Start(command, _folder, variables: _mpi is null ? null : new Dictionary<string, string> { [MpiLibrary.Variable] = _mpi.Value.Key }))
        {
            var rank = _random.Next(2);
            var process = target == "rank" ? WaitForRank(launch, rank) : WaitForLauncher(launch);
            // One in four wishes to save, and every second one to stop, comes anywhere, mostly before training; the others within it.
            var anywhere = _random.Next(4) < (isSave ? 1 : 2);
            var (steps, moment) = anywhere ? (0, _random.Next(LaunchMilliseconds)) : (_random.Next(1, Workshop.SignalSteps - 20), _random.Next(60));
            for (var deadline = DateTime.UtcNow.AddSeconds(60); _traces.LoggedSteps < steps && !launch.HasEnded && DateTime.UtcNow < deadline;)
            {
                Thread.Sleep(1);
            }

            Thread.Sleep(moment);
            var logged = _traces.LoggedSteps;
            SystemProcesses.Signal(process, number);
            var isHarsh = target == "mpirun" && number is SystemProcesses.SigTerm or SystemProcesses.SigInt;
            // Impatient people send more of them; these must do no harm.
            var more = isSave ? 0 : _random.Next(3);
            for (var i = 0; i < more && !launch.HasEnded; i++)
            {
                Thread.Sleep(_random.Next(300));
                SystemProcesses.Signal(process, number);
            }
            var code = launch.Wait();
            _done.Add(FormattableString.Invariant(
                $"{layout}: {more + 1} x {name} to {target}{(target == "rank" ? $" {rank}" : "")} after {moment} ms, {logged} steps logged: exit {code}, {launch.Output.Split("as a signal asked").Length - 1} saves asked for, {_traces.LoggedSteps} steps"));
            if (isHarsh)
            {
                CheckHarsh(launch, code);
            }
            else
            {
                Check(launch, code, isSave, logged, target == "rank");
            }

            if (isSave)
            {
                LeaveWhatWasAskedFor(launch);
            }
        }

        // Without a signal, and on one rank where the bits allow that.
        var next = layout is { Tensor: 1, Pipeline: 1 } ? new RunLayout(1, 1, false) : layout;
        var unfinished = _traces.Unfinished().Count;
        var newest = _traces.Finished() is [var (step, _), ..] ? step : (long?)null;
        using var again = RunningLaunch.Start(Workshop.Command(_workshop.SignalConfig, _folder, next), _folder);
        Require(again.Wait() == 0, "the next launch failed", again);
        Require(again.Output.Split("checkpoint rejected: ").Length - 1 == unfinished, "the next launch finds a checkpoint that is not good", again);
        Require(again.Output.Contains(newest is null ? "r: starting;" : FormattableString.Invariant($"going on from the checkpoint of step {newest},"),
            StringComparison.Ordinal), $"the next launch does not go on from {newest}", again);
        var (bits, curve) = _workshop.SignalReference(layout.Tensor, layout.Pipeline);
        Require(_traces.Bits(Workshop.SignalSteps) == bits, "parameters and moments have other bits than those of an undisturbed run");
        Require(_traces.Curve() == curve, "metrics.jsonl has other numbers than that of an undisturbed run:\n"
            + string.Join('\n', _traces.Curve().Split('\n').Except(curve.Split('\n')).Take(3)));
    }

    private void Check(RunningLaunch launch, int code, bool isSave, int logged, bool tellsEachRank)
    {
        var isDone = _traces.Finished() is [(Workshop.SignalSteps, _), ..];
        Require(code == (isSave ? 0 : Stopped) || (code == 0 && isDone), $"exit code {code}", launch);
        Require(_traces.Unfinished().Count == 0, "an unfinished checkpoint stays", launch);
        if (tellsEachRank)
        {
            for (var rank = 0; rank < 2; rank++)
            {
                Require(launch.Output.Contains($"rank {rank} left with {code}", StringComparison.Ordinal), $"rank {rank} did not leave with {code}", launch);
            }
        }
        if (code == Stopped)
        {
            Require(launch.Output.Contains("stopped by a signal", StringComparison.Ordinal), "does not say that it was stopped", launch);
        }
        // In the last steps the run may be over before ranks ask each other again.
        var saves = launch.Output.Split("as a signal asked").Length - 1;
        if (isSave && logged < Workshop.SignalSteps - 10)
        {
            Require(saves == 1, $"saved {saves} times at one SIGUSR1", launch);
        }
    }

    // mpirun's own exit code says nothing of the ranks, which have a second for their save.
    private void CheckHarsh(RunningLaunch launch, int code)
    {
        Require(code != 0 || _traces.Finished() is [(Workshop.SignalSteps, _), ..], $"exit code {code} of a launch that was ended", launch);
        if (launch.Output.Contains("stopped by a signal after step", StringComparison.Ordinal))
        {
            _done.Add("saved in time");
        }
    }

    // What comes after the checkpoint goes, so that the next launch has to go on from it.
    private void LeaveWhatWasAskedFor(RunningLaunch launch)
    {
        if (SavedAsAsked().Match(launch.Output) is not { Success: true } saved)
        {
            return;
        }

        var step = long.Parse(saved.Groups["step"].ValueSpan, CultureInfo.InvariantCulture);
        var finished = _traces.Finished();
        Require(finished.Exists(checkpoint => checkpoint.Step == step), $"there is no checkpoint of step {step}, which was asked for", launch);
        Require(finished is [(Workshop.SignalSteps, _), ..], "the run did not go on to its end", launch);
        Require(_traces.Bits(Workshop.SignalSteps) == _workshop.SignalReference(_layout.Tensor, _layout.Pipeline).Bits, "a run that saved as asked has other bits than an undisturbed one");
        foreach (var (_, path) in finished.Where(checkpoint => checkpoint.Step > step))
        {
            Directory.Delete(path, recursive: true);
        }

        _done.Add(FormattableString.Invariant($"saved step {step}{(step % Workshop.SignalSaveEvery == 0 ? "" : ", which was not due")}, gone on from again"));
    }

    private int WaitForRank(RunningLaunch launch, int rank)
    {
        for (var deadline = DateTime.UtcNow.AddSeconds(60); DateTime.UtcNow < deadline && !launch.HasEnded; Thread.Sleep(5))
        {
            // Until a program has begun, nobody can hear a signal; the last handler that it sets is the one for SIGUSR1.
            var ranks = SystemProcesses.RanksOf(_folder);
            if (ranks.Count == 2 && ranks.TrueForAll(process => SystemProcesses.Handles(process, SystemProcesses.SigUsr1)))
            {
                return ranks[rank];
            }
        }
        throw new TrialFault("its ranks did not begin\n" + launch.Output);
    }

    // The script and mpirun hear signals once they have begun; the ranks may be anywhere then.
    private int WaitForLauncher(RunningLaunch launch)
    {
        for (var deadline = DateTime.UtcNow.AddSeconds(60); DateTime.UtcNow < deadline && !launch.HasEnded; Thread.Sleep(5))
        {
            if (SystemProcesses.RanksOf(_folder).Count == 2)
            {
                return launch.ProcessId;
            }
        }
        throw new TrialFault("its ranks did not begin\n" + launch.Output);
    }

    private static void Require(bool condition, string what, RunningLaunch? launch = null)
    {
        if (!condition)
        {
            throw new TrialFault(what + (launch is null ? "" : "\n" + launch.Output));
        }
    }

    [GeneratedRegex("saved after step (?<step>[0-9]+), as a signal asked")]
    private static partial Regex SavedAsAsked();
}
