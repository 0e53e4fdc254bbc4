using KvShiftScale.CrashProgram;

namespace KvShiftScale.Crash.Tests;

/// <summary>
/// launch/train.slurm. Slurm's part is played by three scripts: srun starts ranks of this machine and writes down its options, scontrol writes down what it was
/// asked, squeue says in what state the job is.
/// </summary>
[Collection(nameof(WorkshopGroup))]
public sealed class SlurmTests(WorkshopFixture fixture)
{
    // A second each, which costs nothing when the signal comes before: this process may lose its processor for longer than a run takes.
    private const string NotTooFast = "linger@step:20; linger@step:30; linger@step:40; linger@step:50; linger@step:60; linger@step:70";

    private readonly Workshop _workshop = fixture.Workshop;

    [Fact]
    public void A_job_that_is_stopped_goes_into_the_queue_again()
    {
        var (folder, traces) = New("requeued");
        using var job = Start(_workshop.SignalConfig, folder, NotTooFast);
        AwaitSteps(job, traces);

        SystemProcesses.Signal(job.ProcessId, SystemProcesses.SigUsr2);

        Assert.True(job.Wait() == 75, job.Output);
        Assert.Equal("requeue 4711\n", Asked(folder));
        Assert.InRange(Assert.Single(traces.Finished()).Step, 3, Workshop.SignalSteps - 1);
    }

    [Fact]
    public void A_job_that_is_cancelled_saves_and_stays_away()
    {
        var (folder, traces) = New("cancelled");
        using var job = Start(_workshop.SignalConfig, folder, NotTooFast, state: "CANCELLED");
        AwaitSteps(job, traces);

        SystemProcesses.Signal(job.ProcessId, SystemProcesses.SigTerm);

        Assert.True(job.Wait() == 75, job.Output);
        Assert.Null(Asked(folder));
        Assert.Contains("job 4711 is CANCELLED and stays out of the queue", job.Output, StringComparison.Ordinal);
        Assert.Single(traces.Finished());
    }

    [Fact]
    public void A_stop_that_only_the_ranks_hear_of_is_none_of_the_crashes()
    {
        var (folder, traces) = New("preempted");
        // What srun says when it has killed a rank because another had left with 75.
        using var job = Start(_workshop.SignalConfig, folder, NotTooFast, srun: "|| exit 137");
        AwaitSteps(job, traces);

        foreach (var rank in SystemProcesses.RanksOf(folder))
        {
            SystemProcesses.Signal(rank, SystemProcesses.SigTerm);
        }

        Assert.True(job.Wait() == 75, job.Output);
        Assert.Equal("requeue 4711\n", Asked(folder));
        Assert.Contains("the launch left with signal 9, but a signal had stopped it before", job.Output, StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(folder, "r", "restarts.jsonl")));
    }

    [Fact]
    public void Crashes_are_gone_on_from_as_often_as_allowed()
    {
        var (folder, _) = New("crashed");
        // A run that has begun is no new one: the restart goes on, and does not refuse.
        using var job = Start(_workshop.CrashConfig, folder, "kill@file.rename:6,rank=0", options: ["--new"]);

        Assert.True(job.Wait() == 137, job.Output);

        Assert.Contains("restart 1 of 1", job.Output, StringComparison.Ordinal);
        Assert.Contains("crash 2 (signal 9)", job.Output, StringComparison.Ordinal);
        Assert.Contains("not started again: --restart 1 allows no more", job.Output, StringComparison.Ordinal);
        Assert.Null(Asked(folder));
        Assert.All(File.ReadAllLines(Path.Combine(folder, "srun.log")), options => Assert.Contains("--cpus-per-task=3", options, StringComparison.Ordinal));
    }

    [Fact]
    public void A_job_that_comes_back_goes_on_though_it_began_as_a_new_one()
    {
        var (folder, traces) = New("back");
        using (var first = Start(_workshop.CrashConfig, folder, "kill@file.rename:18,rank=0", options: ["--new"], variables: ("KVSHIFT_RESTARTS", "0")))
        {
            Assert.True(first.Wait() == 137, first.Output);
        }

        using var second = Start(_workshop.CrashConfig, folder, options: ["--new"], variables: ("SLURM_RESTART_COUNT", "1"));

        Assert.True(second.Wait() == 0, second.Output);
        Assert.Contains("going on from the checkpoint of step", second.Output, StringComparison.Ordinal);
        Assert.Equal(_workshop.CrashReference(1).Bits, traces.Bits(Workshop.CrashSteps));
    }

    [Fact]
    public void Nodes_without_a_number_of_tasks_are_refused()
    {
        var (folder, _) = New("nodes");
        using var job = Start(_workshop.CrashConfig, folder, variables: [("SLURM_NTASKS", null), ("SLURM_JOB_NUM_NODES", "2")]);

        Assert.True(job.Wait() == 2, job.Output);
        Assert.Contains("found 2 nodes and no number of tasks", job.Output, StringComparison.Ordinal);
    }

    private (string Folder, RunTraces Traces) New(string name)
    {
        var folder = _workshop.NewFolder(name);
        return (folder, new RunTraces(Path.Combine(folder, "r")));
    }

    private static void AwaitSteps(RunningLaunch job, RunTraces traces)
        => Assert.True(SpinWait.SpinUntil(() => traces.LoggedSteps >= 3, TimeSpan.FromMinutes(4)), job.Output);

    // What scontrol was asked.
    private static string? Asked(string folder)
    {
        var path = Path.Combine(folder, "scontrol.log");
        return File.Exists(path) ? File.ReadAllText(path) : null;
    }

    private static RunningLaunch Start(string config, string folder, string? faults = null, string state = "RUNNING", string srun = "", string[]? options = null,
        params (string Name, string? Value)[] variables)
    {
        var programs = Directory.CreateDirectory(Path.Combine(folder, "bin")).FullName;
        Write("srun", $"""
            ranks=1
            while [[ "$1" = -* ]]; do
                printf '%s ' "$1" >> {folder}/srun.log
                case "$1" in --ntasks=*) ranks="$(echo "$1" | cut -d= -f2)" ;; esac
                shift
            done
            echo >> {folder}/srun.log
            {(srun.Length == 0 ? "exec " : "")}{Workshop.Checkout}/launch/mpirun -np "$ranks" "$@" {srun}
            """);
        Write("scontrol", $"echo \"$@\" >> {folder}/scontrol.log");
        Write("squeue", $"echo {state}");
        var environment = new Dictionary<string, string>
        {
            ["PATH"] = $"{programs}:{Environment.GetEnvironmentVariable("PATH")}",
            ["KVSHIFT_ROOT"] = Workshop.Checkout,
            ["KVSHIFT_RESTARTS"] = "1",
            ["SLURM_JOB_ID"] = "4711",
            ["SLURM_NTASKS"] = "2",
            ["SLURM_CPUS_PER_TASK"] = "3",
        };
        foreach (var (name, value) in variables)
        {
            environment[name] = value ?? "";
        }

        return RunningLaunch.Start(
            ["bash", Path.Combine(Workshop.Checkout, "launch", "train.slurm"), .. Workshop.Arguments(config, folder, new RunLayout(2, 1, false)).Skip(1), .. options ?? []],
            folder, faults, environment);

        void Write(string name, string script)
        {
            var path = Path.Combine(programs, name);
            File.WriteAllText(path, $"#!/usr/bin/env bash\n{script}\n");
            if (!OperatingSystem.IsWindows())
            {
                File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            }
        }
    }
}
