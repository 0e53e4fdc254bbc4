using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using Xunit.Sdk;

namespace KvShiftScale.Trainer.Tests.EndToEnd;

/// <summary>A process of the real program. Disposing it ends the process and its children if they still run.</summary>
internal sealed partial class ProgramRun : IDisposable
{
    // Linux's numbers.
    public const int SigTerm = 15;
    public const int SigUsr2 = 12;

    /// <summary>Far beyond what anything here takes, on a machine whose processors others hold too: what is not done by then hangs.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(4);

    private readonly Process _process;
    private readonly StringBuilder _output = new();
    private readonly StringBuilder _error = new();

    private ProgramRun(ProcessStartInfo start)
    {
        _process = new Process { StartInfo = start };
        _process.OutputDataReceived += (_, line) => Append(_output, line.Data);
        _process.ErrorDataReceived += (_, line) => Append(_error, line.Data);
        _process.Start();
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    /// <summary>Path of the program beside the tests.</summary>
    public static string KvShift => Path.Combine(AppContext.BaseDirectory, "kvshift.dll");

    /// <summary>Standard output of a run that ended, with \n as line break.</summary>
    public string Output => Text(_output);

    /// <summary>Standard error of a run that ended, with \n as line break.</summary>
    public string Error => Text(_error);

    /// <summary>The last line of standard output.</summary>
    public string LastLine => Output.TrimEnd('\n').Split('\n')[^1];

    /// <summary>The system's number of the process.</summary>
    public int ProcessId => _process.Id;

    /// <summary>The process has ended.</summary>
    public bool HasEnded => _process.HasExited;

    /// <summary>Exit code of a run that ended.</summary>
    public int ExitCode => _process.ExitCode;

    /// <summary>Starts kvshift as a process of its own, without MPI.</summary>
    public static ProgramRun Start(params string[] arguments) => StartFile("dotnet", [KvShift, .. arguments]);

    /// <summary>Starts any program.</summary>
    public static ProgramRun StartFile(string file, string[] arguments)
    {
        var start = new ProcessStartInfo(file, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["TERM"] = "dumb";
        return new ProgramRun(start);
    }

    /// <summary>Runs kvshift to its end and fails with its output unless the exit code is the one wanted.</summary>
    public static ProgramRun Execute(int exitCode, params string[] arguments)
    {
        var run = Start(arguments);
        run.WaitFor(exitCode);
        return run;
    }

    /// <summary>Sends a signal to this one process.</summary>
    public void Signal(int number) => Assert.Equal(0, Kill(_process.Id, number));

    /// <summary>Kills this one process, with SIGKILL, unless it has ended by itself.</summary>
    public void KillAlone() => _process.Kill();

    /// <summary>Waits for the end and fails with the output unless the exit code is the one wanted.</summary>
    public void WaitFor(int exitCode)
    {
        if (WaitForEnd() != exitCode)
        {
            throw new XunitException($"{Describe()} gave exit code {_process.ExitCode}, wanted {exitCode}:\n{Output}\n{Error}");
        }
    }

    /// <summary>Waits for the end.</summary>
    /// <returns>The exit code.</returns>
    public int WaitForEnd()
    {
        if (!_process.WaitForExit(Patience))
        {
            Dispose();
            throw new XunitException($"{Describe()} did not end in {Patience.TotalSeconds:0} s and was killed:\n{Output}\n{Error}");
        }

        // Once more without a bound: only this waits for the ends of both streams.
        _process.WaitForExit();
        return _process.ExitCode;
    }

    public void Dispose()
    {
        if (_process.HasExited)
        {
            return;
        }

        _process.Kill(entireProcessTree: true);
        _process.WaitForExit();
    }

    private string Describe() => $"{_process.StartInfo.FileName} {string.Join(' ', _process.StartInfo.ArgumentList)}";

    private static string Text(StringBuilder text)
    {
        lock (text)
        {
            return text.ToString();
        }
    }

    private static void Append(StringBuilder text, string? line)
    {
        if (line is null)
        {
            return;
        }

        lock (text)
        {
            text.Append(line).Append('\n');
        }
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}
