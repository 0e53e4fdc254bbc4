using System.CommandLine;
using KvShiftScale.Checkpoints.Verification;
using KvShiftScale.Core;
using KvShiftScale.Trainer.Reporting;

namespace KvShiftScale.Trainer.Commands;

/// <summary><c>kvshift checkpoint verify</c>: reads every byte and names what is not as it was written.</summary>
internal static class CheckpointVerifyVerb
{
    public static Command Build()
    {
        var path = new Argument<string>("path") { Description = RunPath.Description };
        var command = new Command("verify",
            "Reads every byte of one checkpoint or of all of a run; names file and tensor of what has changed, and ends with code 1 then.") { path };
        command.SetAction(parsed => Run(parsed.GetRequiredValue(path)));
        return command;
    }

    private static int Run(string path)
    {
        using var progress = new ProgressLine();
        var good = true;
        foreach (var (checkpoint, _, isPartial) in RunPath.Checkpoints(path))
        {
            if (isPartial)
            {
                Console.WriteLine($"{checkpoint}: was never finished");
                continue;
            }
            var faults = CheckpointVerification.Run(checkpoint,
                (read, total) => progress.Update(FormattableString.Invariant($"verify: {Path.GetFileName(checkpoint)} {read >> 20:N0} of {total >> 20:N0} MiB")));
            foreach (var fault in faults)
            {
                Console.WriteLine($"{checkpoint}: {fault}");
            }

            if (faults.Count == 0)
            {
                Console.WriteLine($"{checkpoint}: good");
            }

            good &= faults.Count == 0;
        }
        return good ? ExitCode.Done : ExitCode.Failed;
    }
}
