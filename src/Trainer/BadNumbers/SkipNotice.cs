using System.Globalization;

namespace KvShiftScale.Trainer.BadNumbers;

/// <summary>A bad step in a sentence.</summary>
internal static class SkipNotice
{
    /// <summary>Step, numbers, what was wrong, and the rows to look at.</summary>
    public static string Of(SkippedStep step)
    {
        var why = step.Why switch
        {
            StepFault.NonFiniteLoss => "the loss is not finite",
            StepFault.NonFiniteGradNorm => "the gradient is not finite",
            StepFault.LossSpike => Invariant($"the loss is above {step.Threshold:G4}"),
            _ => Invariant($"the gradient norm is above {step.Threshold:G4}"),
        };
        var rows = string.Join(", ", SkippedMicroBatch.Suspects(step.MicroBatches).Take(4).Select(batch => batch.Rows == 1
            ? Invariant($"row {batch.FirstRow} on {Ranks(batch)}")
            : Invariant($"rows {batch.FirstRow} to {batch.FirstRow + batch.Rows - 1} on {Ranks(batch)}")));
        var action = step.Action == "clip" ? "clipped" : "skipped";
        return Invariant($"step {step.Step} {action}: {why}; loss {step.Loss:G6}, gradient norm {step.GradNorm:G6}; look at {rows}");
    }

    private static string Ranks(SkippedMicroBatch batch) => $"{(batch.Ranks.Count == 1 ? "rank" : "ranks")} {string.Join(", ", batch.Ranks)}";

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
