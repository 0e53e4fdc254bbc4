using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using Xunit.Sdk;

namespace KvShiftScale.Testing;

/// <summary>A managed program under mpirun on this machine. Disposing it ends whatever still runs.</summary>
public sealed class MpiRun : IDisposable
{
    // It only guards against a hang: ranks that wait for each other take long where other work holds the cores.
    private static readonly TimeSpan Timeout = TimeSpan.FromMinutes(4);

    private readonly Process _process;
    private readonly StringBuilder _output = new();

    private MpiRun(Process process)
    {
        _process = process;
        process.OutputDataReceived += (_, line) => Append(line.Data);
        process.ErrorDataReceived += (_, line) => Append(line.Data);
    }

    /// <summary>Process id of mpirun.</summary>
    public int ProcessId => _process.Id;

    /// <summary>What all ranks and mpirun itself have written so far, to either stream.</summary>
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

    private string Command => $"{_process.StartInfo.FileName} {string.Join(' ', _process.StartInfo.ArgumentList)}";

    /// <summary>Starts ranks of a program.</summary>
    /// <param name="rankCount">Number of ranks; may exceed the cores.</param>
    /// <param name="assembly">File name of the program's .dll, beside the tests.</param>
    /// <param name="arguments">Arguments of each rank.</param>
    public static MpiRun Start(int rankCount, string assembly, params IReadOnlyList<string> arguments)
    {
        var start = new ProcessStartInfo("mpirun") { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument in ArgumentsOf(rankCount, assembly, arguments))
        {
            start.ArgumentList.Add(argument);
        }

        var run = new MpiRun(new Process { StartInfo = start });
        try
        {
            run._process.Start();
        }
        catch (Win32Exception exception)
        {
            throw new XunitException("mpirun cannot be started; install Open MPI (launch/setup does)", exception);
        }

        run._process.BeginOutputReadLine();
        run._process.BeginErrorReadLine();
        return run;
    }

    /// <summary>What mpirun is given for ranks of a program; parameters as of <see cref="Start"/>.</summary>
    public static IReadOnlyList<string> ArgumentsOf(int rankCount, string assembly, params IReadOnlyList<string> arguments) =>
        [
            "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-np", rankCount.ToString(CultureInfo.InvariantCulture),
            // Containers often forbid a process to read another's memory, and mpirun says so on every start.
            "--mca", "btl_vader_single_copy_mechanism", "none", "--mca", "mpi_yield_when_idle", "1",
            // mpirun gives ranks a terminal as standard output, and .NET would write that terminal's control sequences to it.
            "-x", "TERM=dumb",
            DotNetPath(), Path.Combine(AppContext.BaseDirectory, assembly), .. arguments,
        ];

    /// <summary>Runs ranks of a program to their end and fails with their output unless the exit code is the one wanted.</summary>
    /// <returns>The output.</returns>
    public static string Execute(int rankCount, string assembly, IReadOnlyList<string> arguments, int exitCode = 0, TimeSpan? timeout = null)
    {
        using var run = Start(rankCount, assembly, arguments);
        var found = run.WaitForExit(timeout);
        return found == exitCode
            ? run.Output
            : throw new XunitException($"{run.Command} gave exit code {found}, wanted {exitCode}:\n{run.Output}");
    }

    /// <summary>mpirun's exit code. Ends all ranks and fails with their output when they are not done in <paramref name="timeout"/>, four minutes if not given.</summary>
    public int WaitForExit(TimeSpan? timeout = null)
    {
        var bound = timeout ?? Timeout;
        if (!_process.WaitForExit(bound))
        {
            Kill();
            throw new XunitException($"{Command} did not end in {bound.TotalSeconds:0} s and was killed:\n{Output}");
        }

        // Once more without a bound: only this waits for the ends of both streams.
        _process.WaitForExit();
        return _process.ExitCode;
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            Kill();
        }

        _process.Dispose();
    }

    private void Kill()
    {
        _process.Kill(entireProcessTree: true);
        _process.WaitForExit();
    }

    private void Append(string? line)
    {
        if (line is not null)
        {
            lock (_output)
            {
                _output.AppendLine(line);
            }
        }
    }

    // The tests' own host, unless that is an executable of its own.
    private static string DotNetPath()
        => Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet" ? Environment.ProcessPath! : "dotnet";
}
