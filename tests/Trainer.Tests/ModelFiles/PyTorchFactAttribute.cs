using System.ComponentModel;
using System.Diagnostics;

namespace KvShiftScale.Trainer.Tests.ModelFiles;

/// <summary>
/// A test that computes in PyTorch: skipped, and counted as such, where no Python has it. Continuous integration does not accept that.
/// </summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class PyTorchFactAttribute : FactAttribute
{
    // Asked once: importing takes seconds.
    private static readonly Lazy<string?> FoundPython = new(Find);

    public PyTorchFactAttribute()
    {
        if (Python is null)
        {
            Skip = "no python3 here has torch and numpy (apt-get install python3-torch)";
        }
    }

    /// <summary>The Python that has PyTorch; null where none has.</summary>
    public static string? Python => FoundPython.Value;

    // Debian's package serves /usr/bin/python3, which need not be the one on the path.
    private static string? Find()
    {
        foreach (var candidate in (string[])["python3", "/usr/bin/python3"])
        {
            try
            {
                var start = new ProcessStartInfo(candidate, ["-c", "import torch, numpy"]) { RedirectStandardError = true, RedirectStandardOutput = true };
                using var process = Process.Start(start)!;
                process.StandardError.ReadToEnd();
                process.WaitForExit();
                if (process.ExitCode == 0)
                {
                    return candidate;
                }
            }
            catch (Win32Exception)
            {
                // No such program.
            }
        }
        return null;
    }
}
