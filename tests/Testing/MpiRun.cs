using System.ComponentModel;
using System.Diagnostics;
using System.Text;
using KvShiftScale.Parallel.Native;
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

    /// <summary>The mpirun of tests that ask for none in particular: that of KVSHIFT_MPI, else of Open MPI.</summary>
    public static MpiLauncher Launcher { get; }
        = MpiLauncher.Find(MpiLibrary.Named(Environment.GetEnvironmentVariable(MpiLibrary.Variable)) ?? MpiFlavor.OpenMpi);

    /// <summary>Starts ranks of a program.</summary>
    /// <param name="rankCount">Number of ranks; may exceed the cores.</param>
    /// <param name="assembly">File name of the program's .dll, beside the tests.</param>
    /// <param name="arguments">Arguments of each rank.</param>
    public static MpiRun Start(int rankCount, string assembly, params IReadOnlyList<string> arguments) => Start(Launcher, rankCount, assembly, arguments);

    /// <summary>Starts ranks of a program by a launcher; what KVSHIFT_MPI says to the tests is not said to them.</summary>
    public static MpiRun Start(MpiLauncher launcher, int rankCount, string assembly, IReadOnlyList<string> arguments,
        IReadOnlyDictionary<string, string>? variables = null)
    {
        var start = new ProcessStartInfo(launcher.Program, ArgumentsOf(launcher, rankCount, assembly, arguments))
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment.Remove(MpiLibrary.Variable);
        foreach (var (name, value) in variables ?? new Dictionary<string, string>())
        {
            start.Environment[name] = value;
        }

        var run = new MpiRun(new Process { StartInfo = start });
        try
        {
            run._process.Start();
        }
        catch (Win32Exception exception)
        {
            throw new XunitException($"{launcher.Program} cannot be started; install its MPI (launch/setup does)", exception);
        }

        run._process.BeginOutputReadLine();
        run._process.BeginErrorReadLine();
        return run;
    }

    /// <summary>What <see cref="Launcher"/> is given for ranks of a program; parameters as of <see cref="Start(int, string, IReadOnlyList{string})"/>.</summary>
    public static IReadOnlyList<string> ArgumentsOf(int rankCount, string assembly, params IReadOnlyList<string> arguments)
        => ArgumentsOf(Launcher, rankCount, assembly, arguments);

    /// <summary>Runs ranks of a program to their end and fails with their output unless the exit code is the one wanted.</summary>
    /// <returns>The output.</returns>
    public static string Execute(int rankCount, string assembly, IReadOnlyList<string> arguments, int exitCode = 0, TimeSpan? timeout = null,
        MpiFlavor? mpi = null, IReadOnlyDictionary<string, string>? variables = null)
    {
        using var run = Start(mpi is null ? Launcher : MpiLauncher.Find(mpi), rankCount, assembly, arguments, variables);
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

    /// <summary>The same of any launcher.</summary>
    public static IReadOnlyList<string> ArgumentsOf(MpiLauncher launcher, int rankCount, string assembly, IReadOnlyList<string> arguments)
        => [.. launcher.Arguments(rankCount), DotNetPath(), Path.Combine(AppContext.BaseDirectory, assembly), .. arguments];

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
