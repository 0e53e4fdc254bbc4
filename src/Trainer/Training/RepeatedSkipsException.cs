using System.Globalization;
using System.Text;
using KvShiftScale.Core;
using KvShiftScale.Trainer.BadNumbers;
using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.RunFolders;

namespace KvShiftScale.Trainer.Training;

/// <summary>Too many steps in a row had bad numbers; all ranks throw it at the same step.</summary>
internal sealed class RepeatedSkipsException(RunSection run, IReadOnlyList<SkippedStep> steps) : KvShiftException(Describe(run, steps))
{
    private static string Describe(RunSection run, IReadOnlyList<SkippedStep> steps)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"{steps[^1].InARow} steps in a row had bad numbers, and run.max_skips is {run.MaxSkips}. Nothing was updated in them, and checkpoints are as they were:\n");
        foreach (var step in steps)
        {
            text.Append(CultureInfo.InvariantCulture, $"  {SkipNotice.Of(step)}\n");
        }

        var last = steps[^1];
        text.Append(CultureInfo.InvariantCulture, $"{Path.Combine(run.Folder, RunFolder.SkippedName)} has all positions. 'kvshift replay --step {steps[0].Step} {run.Folder}' computes the first of them again and names parameter, layer and row. ");
        text.Append(last.Why is StepFault.NonFiniteLoss or StepFault.NonFiniteGradNorm
            ? "Rows that are bad have to leave the data; parameters that have grown too large want a lower optimizer.lr or a longer optimizer.warmup_steps from a checkpoint before."
            : "If the numbers have only moved to another level, a higher run.spike_z or run.spike_rule: none lets the run go on.");
        return text.ToString();
    }
}
