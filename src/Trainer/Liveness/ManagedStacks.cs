using System.Globalization;
using System.Text;
using Microsoft.Diagnostics.Runtime;

namespace KvShiftScale.Trainer.Liveness;

/// <summary>The managed stacks of another process of this machine, which stands still while they are read.</summary>
internal static class ManagedStacks
{
    /// <summary>The threads of a process with their frames, innermost first.</summary>
    /// <exception cref="ClrDiagnosticsException">The process cannot be read: it is gone, belongs to somebody else, or has no .NET.</exception>
    public static string Of(int process)
    {
        using var target = DataTarget.AttachToProcess(process, suspend: true);
        var version = target.ClrVersions.FirstOrDefault()
            ?? throw new ClrDiagnosticsException(string.Create(CultureInfo.InvariantCulture, $"process {process} runs no .NET"));
        using var runtime = version.CreateRuntime();
        var text = new StringBuilder();
        foreach (var thread in runtime.Threads)
        {
            if (!thread.IsAlive)
            {
                continue;
            }

            text.Append(CultureInfo.InvariantCulture, $"thread {thread.OSThreadId} {NameOf(process, thread.OSThreadId)}\n");
            var last = "";
            foreach (var frame in thread.EnumerateStackTrace())
            {
                // A call into native code is several frames of the runtime with one text.
                var line = frame.Method?.Signature ?? frame.ToString() ?? "";
                if (line.Length > 0 && line != last)
                {
                    text.Append("    ").Append(line).Append('\n');
                }

                last = line;
            }
        }
        return text.ToString();
    }

    private static string NameOf(int process, uint thread)
    {
        try
        {
            return File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{process}/task/{thread}/comm")).TrimEnd('\n');
        }
        catch (IOException)
        {
            return "";
        }
    }
}
