using System.Text.Json;
using KvShiftScale.Core;
using KvShiftScale.Trainer.Commands;
using Xunit.Sdk;

namespace KvShiftScale.Trainer.Tests;

/// <summary>A verb run inside the test's process, where a process of its own would add nothing but a second.</summary>
internal sealed record CommandRun(string Output, string Error)
{
    /// <summary>Runs a command line; fails unless the exit code is the one wanted.</summary>
    public static CommandRun Execute(int exitCode, params string[] arguments)
    {
        var (output, error) = (Console.Out, Console.Error);
        using var capturedOutput = new StringWriter();
        using var capturedError = new StringWriter();
        int found;
        try
        {
            Console.SetOut(capturedOutput);
            Console.SetError(capturedError);
            found = CommandLine.Run(arguments);
        }
        finally
        {
            Console.SetOut(output);
            Console.SetError(error);
        }
        return found == exitCode
            ? new CommandRun(capturedOutput.ToString(), capturedError.ToString())
            : throw new XunitException($"{string.Join(' ', arguments)} gave exit code {found}, wanted {exitCode}:\n{capturedOutput}\n{capturedError}");
    }

    /// <summary>Loss and targets of an evaluation.</summary>
    public static (double Loss, long Tokens) Evaluate(string model, string data, params string[] more)
    {
        var run = Execute(ExitCode.Done, ["eval", "--model", model, "--data", data, .. more]);
        using var json = JsonDocument.Parse(run.Output.TrimEnd().Split('\n')[^1]);
        return (json.RootElement.GetProperty("loss").GetDouble(), json.RootElement.GetProperty("tokens").GetInt64());
    }
}
