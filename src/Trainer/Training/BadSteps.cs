using KvShiftScale.Data.Loading;
using KvShiftScale.Data.Shards;
using KvShiftScale.Trainer.BadNumbers;
using KvShiftScale.Trainer.RunFolders;
using KvShiftScale.Trainer.Session;

namespace KvShiftScale.Trainer.Training;

/// <summary>Tells of steps whose numbers were bad, and ends a run that has too many of them one after the other.</summary>
/// <param name="run">The run.</param>
/// <param name="training">Shards whose documents are named.</param>
internal sealed class BadSteps(LaunchedRun run, ShardCatalog training)
{
    // Rows whose documents are looked up.
    private const int MostLocatedRows = 64;

    // Of this launch, without a step that was not skipped between them.
    private readonly List<SkippedStep> _inARow = [];

    /// <summary>
    /// Tells of a step on the console and in the run's folder. Rare, so it may take a while: the ranks put together what they computed, and
    /// the first one finds the documents. Collective.
    /// </summary>
    /// <param name="step">Number of the step.</param>
    /// <param name="outcome">Its numbers and what is wrong with them.</param>
    /// <param name="skipsInARow">Skipped steps up to this one.</param>
    /// <param name="losses">This rank's micro-batches.</param>
    public void Tell(long step, StepOutcome outcome, int skipsInARow, IReadOnlyList<MicroBatchLoss> losses)
    {
        var batches = SkippedMicroBatch.Gather(run.Ranks, losses);
        if (_inARow.Count > 0 && _inARow[^1].Step != step - 1)
        {
            _inARow.Clear();
        }

        var rows = run.Config.Data.GlobalBatch;
        var skipped = new SkippedStep
        {
            Step = step,
            Why = outcome.Verdict.Fault,
            Action = outcome.Verdict.IsSkip ? "skip" : "clip",
            InARow = skipsInARow,
            Loss = outcome.Loss,
            GradNorm = outcome.GradientNorm,
            Threshold = outcome.Verdict.Threshold,
            FirstRow = (step - 1) * rows,
            Rows = rows,
            MicroBatches = batches,
        };
        if (outcome.Verdict.IsSkip)
        {
            _inARow.Add(skipped);
        }

        if (!run.IsFirstRank)
        {
            return;
        }

        run.Reporter.Warn(SkipNotice.Of(skipped));
        try
        {
            SkippedStepLog.Append(run.Folder.Skipped, skipped with { Suspects = OriginsOf(batches) });
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // The line above has the step; the state in memory is worth more than the file.
            run.Reporter.Warn($"step {step} is missing from {RunFolder.SkippedName}: {error.Message}");
        }
    }

    /// <summary>Returns unless so many steps were skipped one after the other that the run is to end.</summary>
    /// <exception cref="RepeatedSkipsException">On all ranks: they were.</exception>
    public void RequireFew(int skipsInARow)
    {
        if (skipsInARow >= run.Config.Run.MaxSkips)
        {
            throw new RepeatedSkipsException(run.Config.Run, _inARow);
        }
    }

    private IReadOnlyList<RowOrigin> OriginsOf(IReadOnlyList<SkippedMicroBatch> batches)
    {
        var rows = SkippedMicroBatch.Suspects(batches).SelectMany(batch => Enumerable.Range(0, batch.Rows).Select(row => batch.FirstRow + row));
        try
        {
            return RowOrigins.Find(training, run.Config.Data, run.Config.Run.Seed, run.Config.Model.VocabSize, rows.Take(MostLocatedRows),
                run.Access);
        }
        catch (Exception error) when (error is IOException or InvalidDataException)
        {
            // Training will meet the same file and say what is wrong with it, or never read it again.
            run.Reporter.Warn($"the documents of these rows were not found: {error.Message}");
            return [];
        }
    }
}
