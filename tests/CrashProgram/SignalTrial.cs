using System.Globalization;

namespace KvShiftScale.CrashProgram;

/// <summary>
/// One run that gets a signal at a random moment, to a random rank, to mpirun or to launch/train. It has to save at one step and leave with 75 on every
/// rank, or to save and go on; the next launch has to find nothing amiss and to end with the bits of an undisturbed run.
/// </summary>
internal sealed class SignalTrial
{
    private const int Stopped = 75;

    // How long an undisturbed launch takes on quiet cores, about; moments are drawn from it.
    private const int LaunchMilliseconds = 3000;

    private static readonly (string Name, int Number)[] s_toRanks =
        [("TERM", SystemProcesses.SigTerm), ("INT", SystemProcesses.SigInt), ("USR1", SystemProcesses.SigUsr1), ("USR2", SystemProcesses.SigUsr2)];

    private static readonly (string Name, int Number)[] s_toMpirun = [("USR1", SystemProcesses.SigUsr1), ("USR2", SystemProcesses.SigUsr2)];

    private static readonly (string Name, int Number)[] s_toScript =
        [("TERM", SystemProcesses.SigTerm), ("INT", SystemProcesses.SigInt), ("HUP", SystemProcesses.SigHup), ("USR1", SystemProcesses.SigUsr1)];

    private readonly Workshop _workshop;
    private readonly Random _random;
    private readonly string _folder;
    private readonly RunTraces _traces;
    private readonly List<string> _done = [];

    public SignalTrial(Workshop workshop, int seed, int number)
    {
        _workshop = workshop;
        _random = new Random(unchecked(seed * 1_000_033 + number));
        _folder = workshop.NewFolder("s" + number.ToString("D6", CultureInfo.InvariantCulture));
        _traces = new RunTraces(Path.Combine(_folder, "r"));
    }

    /// <summary>What has been done so far, for the table.</summary>
    public string Story => string.Join("; ", _done);

    /// <summary>Runs the trial.</summary>
    /// <exception cref="TrialFault">The run did not come through it.</exception>
    public void Run()
    {
        var layout = _random.Next(4) switch { 0 => new RunLayout(2, 2, false), 1 => new RunLayout(2, 1, true), _ => new RunLayout(2, 1, false) };
        var (target, signals) = _random.Next(4) switch { 0 => ("mpirun", s_toMpirun), 1 => ("launch/train", s_toScript), _ => ("rank", s_toRanks) };
        var (name, number) = signals[_random.Next(signals.Length)];
        var isSave = number == SystemProcesses.SigUsr1;
        var arguments = Workshop.Arguments(_workshop.SignalConfig, _folder, layout);
        string[] command = target switch
        {
            "launch/train" => ["bash", Path.Combine(Workshop.Checkout, "launch", "train"), "--ranks", "2", .. arguments.Skip(1)],
            "mpirun" => [.. Workshop.MpiRun(2), "bash", "-c", "trap '' USR1 USR2; exec \"$@\"", "rank", "dotnet", Workshop.Program, .. arguments],
            // Each rank's own exit code is told. mpirun ends the shells with SIGTERM once one rank has left with a code.
            _ => [.. Workshop.MpiRun(2), "bash", "-c", "trap '' TERM; \"$@\"; code=$?; echo \"rank $OMPI_COMM_WORLD_RANK left with $code\"; exit $code",
                "rank", "dotnet", Workshop.Program, .. arguments],
        };

        using (var launch = RunningLaunch.Start(command, _folder))
        {
            var rank = _random.Next(2);
            var process = target == "rank" ? WaitForRank(launch, rank) : WaitForLauncher(launch);
            // Half of the moments lie anywhere, for the most part before training where the machine is slow; the others within it.
            var (steps, moment) = _random.Next(2) == 0 ? (0, _random.Next(LaunchMilliseconds)) : (_random.Next(1, Workshop.SignalSteps - 15), _random.Next(60));
            for (var deadline = DateTime.UtcNow.AddSeconds(60); _traces.LoggedSteps < steps && !launch.HasEnded && DateTime.UtcNow < deadline;) Thread.Sleep(1);
            Thread.Sleep(moment);
            var logged = _traces.LoggedSteps;
            SystemProcesses.Signal(process, number);
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
            Check(launch, code, isSave, logged, target == "rank");
        }

        // Without a signal, and on one rank where the bits allow that.
        var next = layout.Tensor == 1 ? new RunLayout(1, 1, false) : layout;
        using var again = RunningLaunch.Start(Workshop.Command(_workshop.SignalConfig, _folder, next), _folder);
        Require(again.Wait() == 0, "the next launch failed", again);
        Require(!again.Output.Contains("rejected", StringComparison.Ordinal), "the next launch finds a checkpoint that is not good", again);
        var (bits, curve) = _workshop.SignalReference(layout.Tensor);
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
                Require(launch.Output.Contains($"rank {rank} left with {code}", StringComparison.Ordinal), $"rank {rank} did not leave with {code}", launch);
        }
        if (code == Stopped) Require(launch.Output.Contains("stopped by a signal", StringComparison.Ordinal), "does not say that it was stopped", launch);
        // In the last steps the run may be over before ranks ask each other again.
        var saves = launch.Output.Split("as a signal asked").Length - 1;
        if (isSave && logged < Workshop.SignalSteps - 10) Require(saves == 1, $"saved {saves} times at one SIGUSR1", launch);
    }

    private int WaitForRank(RunningLaunch launch, int rank)
    {
        for (var deadline = DateTime.UtcNow.AddSeconds(60); DateTime.UtcNow < deadline && !launch.HasEnded; Thread.Sleep(5))
        {
            // Until a program has begun, nobody can hear a signal; the last handler that it sets is the one for SIGUSR1.
            var ranks = SystemProcesses.RanksOf(_folder);
            if (ranks.Count == 2 && ranks.TrueForAll(process => SystemProcesses.Handles(process, SystemProcesses.SigUsr1))) return ranks[rank];
        }
        throw new TrialFault("its ranks did not begin\n" + launch.Output);
    }

    // The script and mpirun hear signals once they have begun; the ranks may be anywhere then.
    private int WaitForLauncher(RunningLaunch launch)
    {
        for (var deadline = DateTime.UtcNow.AddSeconds(60); DateTime.UtcNow < deadline && !launch.HasEnded; Thread.Sleep(5))
        {
            if (SystemProcesses.RanksOf(_folder).Count == 2) return launch.ProcessId;
        }
        throw new TrialFault("its ranks did not begin\n" + launch.Output);
    }

    private static void Require(bool condition, string what, RunningLaunch? launch = null)
    {
        if (!condition) throw new TrialFault(what + (launch is null ? "" : "\n" + launch.Output));
    }
}
