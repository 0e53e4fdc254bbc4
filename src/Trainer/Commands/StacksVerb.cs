using System.CommandLine;
using System.Globalization;
using KvShiftScale.Core;
using KvShiftScale.Trainer.Liveness;
using Microsoft.Diagnostics.Runtime;

namespace KvShiftScale.Trainer.Commands;

/// <summary><c>kvshift stacks</c>: where the threads of running processes are.</summary>
internal static class StacksVerb
{
    public static Command Build()
    {
        var processes = new Argument<string[]>("process")
        {
            Description = "PID, or PID:FILE to write to a file instead of standard output.",
            Arity = ArgumentArity.OneOrMore,
        };
        var command = new Command("stacks", "Prints the managed stacks of running ranks, which stand still for that moment.") { processes };
        command.SetAction(parsed => Run(parsed.GetRequiredValue(processes)));
        return command;
    }

    private static int Run(string[] processes)
    {
        var exitCode = ExitCode.Done;
        foreach (var item in processes)
        {
            var parts = item.Split(':', 2);
            if (!int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var process))
            {
                throw new UsageException($"found the process '{item}'; wanted its number, or NUMBER:FILE");
            }

            string text;
            try
            {
                text = ManagedStacks.Of(process);
            }
            catch (ClrDiagnosticsException error)
            {
                text = $"the stacks of process {process} cannot be read: {error.Message}\n";
                exitCode = ExitCode.Failed;
            }
            if (parts.Length == 1)
            {
                Console.Out.Write(text);
            }
            else
            {
                File.WriteAllText(parts[1], text);
            }
        }
        return exitCode;
    }
}
