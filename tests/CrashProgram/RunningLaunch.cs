using System.Diagnostics;
using System.Text;

namespace KvShiftScale.CrashProgram;

/// <summary>A launch of the real program that runs or has run. Disposing it kills what is left of it.</summary>
internal sealed class RunningLaunch : IDisposable
{
    // Far beyond what a launch takes; machines that do other work are slow.
    private static readonly TimeSpan Timeout = TimeSpan.FromMinutes(4);
    private static readonly TimeSpan ProcessesEnd = TimeSpan.FromSeconds(60);

    private readonly Process _process;
    private readonly string _folder;
    private readonly StringBuilder _output = new();

    private RunningLaunch(Process process, string folder)
    {
        _process = process;
        _folder = folder;
        process.OutputDataReceived += (_, line) => Append(line.Data);
        process.ErrorDataReceived += (_, line) => Append(line.Data);
        process.Start();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    /// <summary>The process that was started: dotnet, mpirun or the shell of launch/train.</summary>
    public int ProcessId => _process.Id;

    /// <summary>It runs no more.</summary>
    public bool HasEnded => _process.HasExited;

    /// <summary>Both streams of all ranks.</summary>
    public string Output
    {
        get
        {
            lock (_output)
            {
                return _output.ToString();
            }
        }
    }

    /// <summary>Starts a command.</summary>
    /// <param name="command">Program and arguments, among them a path in <paramref name="folder"/>.</param>
    /// <param name="folder">The trial's own folder, by which its processes are known.</param>
    /// <param name="faults">Value of KVSHIFT_INJECT; null for none.</param>
    /// <param name="variables">More of the environment; null for none.</param>
    public static RunningLaunch Start(IReadOnlyList<string> command, string folder, string? faults = null, IReadOnlyDictionary<string, string>? variables = null)
    {
        var start = new ProcessStartInfo(command[0], command.Skip(1)) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["TERM"] = "dumb";
        // A launch lives for two seconds: what code that is compiled better later would gain is less than what watching it costs.
        start.Environment["DOTNET_TieredPGO"] = "0";
        // What killed processes leave behind goes away with the folder.
        var temporary = Directory.CreateDirectory(Path.Combine(folder, "t")).FullName;
        start.Environment["TMPDIR"] = temporary;
        start.Environment["OMPI_MCA_btl_vader_backing_directory"] = temporary;
        start.Environment["KVSHIFT_INJECT"] = faults ?? "";
        foreach (var (name, value) in variables ?? new Dictionary<string, string>())
        {
            start.Environment[name] = value;
        }

        return new RunningLaunch(new Process { StartInfo = start }, folder);
    }

    /// <summary>Waits for the end of the launch and of all its processes; returns the exit code.</summary>
    /// <exception cref="TrialFault">It did not end, or it left a process behind.</exception>
    public int Wait()
    {
        if (!_process.WaitForExit(Timeout))
        {
            throw new TrialFault($"did not end in {Timeout.TotalSeconds:0} s");
        }

        var deadline = DateTime.UtcNow + ProcessesEnd;
        while (SystemProcesses.Mentioning(_folder) is [_, ..] left)
        {
            if (DateTime.UtcNow > deadline)
            {
                throw new TrialFault($"left {left.Count} process(es) behind for {ProcessesEnd.TotalSeconds:0} s");
            }

            Thread.Sleep(10);
        }
        // Once more without a bound: only this waits for the ends of both streams.
        _process.WaitForExit();
        return _process.ExitCode;
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
        }

        _process.WaitForExit();
        foreach (var id in SystemProcesses.Mentioning(_folder))
        {
            SystemProcesses.Signal(id, SystemProcesses.SigKill);
        }

        _process.Dispose();
    }

    private void Append(string? line)
    {
        if (line is null)
        {
            return;
        }

        lock (_output)
        {
            _output.Append(line).Append('\n');
        }
    }
}
