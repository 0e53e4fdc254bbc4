using KvShiftScale.Data.Synthetic;

namespace KvShiftScale.Trainer.Experiments.Induction;

/// <summary>One task, the models that learn it, and how they are trained.</summary>
internal sealed record InductionStudy
{
    /// <summary>A run counts as having learnt the task at this accuracy, and stops when the next evaluation confirms it.</summary>
    public const double Learnt = 0.99;

    /// <summary>Short name, also in file names.</summary>
    public required string Name { get; init; }

    /// <summary>What the task is, for people.</summary>
    public required string Description { get; init; }

    public required InductionTask Task { get; init; }

    /// <summary>Models compared at <see cref="MainWidth"/>.</summary>
    public required IReadOnlyList<InductionArm> Arms { get; init; }

    /// <summary>Hidden size at which depths are compared.</summary>
    public required int MainWidth { get; init; }

    /// <summary>Seeds of each model at the main width: 0, 1, ...</summary>
    public required int Seeds { get; init; }

    /// <summary>Models that are also trained at <see cref="OtherWidths"/>.</summary>
    public IReadOnlyList<InductionArm> WidthArms { get; init; } = [];

    /// <summary>Further hidden sizes.</summary>
    public IReadOnlyList<int> OtherWidths { get; init; } = [];

    /// <summary>Seeds of each model at another width.</summary>
    public int WidthSeeds { get; init; }

    /// <summary>Size of one head where the hidden size is larger; one head otherwise.</summary>
    public int HeadSize { get; init; } = 128;

    /// <summary>Width of the feed-forward layer at the main width; null for 8/3 of it.</summary>
    public int? MainFfnSize { get; init; }

    /// <summary>Base of the rotary frequencies.</summary>
    public double RopeBase { get; init; } = 10_000;

    /// <summary>Sequences of a step.</summary>
    public required int Batch { get; init; }

    /// <summary>Sequences computed at a time.</summary>
    public required int MicroBatch { get; init; }

    public required double LearningRate { get; init; }

    /// <summary>Steps of linear warm-up; the rate is constant afterwards.</summary>
    public required int WarmupSteps { get; init; }

    /// <summary>Steps of a run that has not learnt the task before, the same for all models.</summary>
    public required int Steps { get; init; }

    /// <summary>Steps between evaluations.</summary>
    public required int EvaluateEvery { get; init; }

    /// <summary>Fresh sequences of one evaluation.</summary>
    public required int EvaluationSequences { get; init; }

    /// <summary>Claimed bound on the accuracy of a vanilla transformer of one layer; null where none is claimed.</summary>
    public double? VanillaOneLayerBound { get; init; }

    /// <summary>Every run of the study.</summary>
    public IEnumerable<InductionRun> Runs()
    {
        foreach (var arm in Arms)
        {
            for (var seed = 0; seed < Seeds; seed++)
            {
                yield return new InductionRun(this, arm, MainWidth, seed);
            }
        }
        foreach (var width in OtherWidths)
        {
            foreach (var arm in WidthArms)
            {
                for (var seed = 0; seed < WidthSeeds; seed++)
                {
                    yield return new InductionRun(this, arm, width, seed);
                }
            }
        }
    }
}
