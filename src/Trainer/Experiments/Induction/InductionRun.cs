using System.Globalization;
using KvShiftScale.Models.Configuration;
using KvShiftScale.Parallel.Optimization;

namespace KvShiftScale.Trainer.Experiments.Induction;

/// <summary>One model to train: its result depends on these values alone.</summary>
internal sealed record InductionRun(InductionStudy Study, InductionArm Arm, int Width, long Seed)
{
    /// <summary>Name of the run's files.</summary>
    public string Id => string.Create(CultureInfo.InvariantCulture, $"{Study.Name}-{Arm.Slug}-width-{Width}-seed-{Seed}");

    /// <summary>
    /// A Llama block or several: one head (or heads of the study's size), SwiGLU of 8/3 of the width rounded up to a multiple of 8 where the
    /// study says nothing else, an untied head.
    /// </summary>
    public ModelConfig Model => new()
    {
        VocabSize = Study.Task.VocabularySize,
        HiddenSize = Width,
        Layers = Arm.Layers,
        Heads = Math.Max(1, Width / Study.HeadSize),
        FfnSize = Width == Study.MainWidth && Study.MainFfnSize is { } stated ? stated : (8 * Width + 23) / 24 * 8,
        RopeBase = Study.RopeBase,
        NormEpsilon = 1e-6,
        KvShift = Arm.Variant,
        Init = WeightInitialization.FanIn,
    };

    /// <summary>AdamW of the paper, with the study's rate.</summary>
    public OptimizerConfig Optimizer => new()
    {
        Lr = Study.LearningRate,
        WarmupSteps = Study.WarmupSteps,
        Decay = LearningRateDecay.Constant,
    };

    /// <summary>Everything that the result depends on, as text to compare.</summary>
    public string Settings => string.Create(CultureInfo.InvariantCulture,
        $"{Study.Task}; {Model}; {Optimizer}; batch {Study.Batch} by {Study.MicroBatch}; seed {Seed}; {Study.Steps} steps; ")
        + string.Create(CultureInfo.InvariantCulture, $"{Study.EvaluationSequences} sequences every {Study.EvaluateEvery} steps");

    /// <summary>
    /// Rough work to expect, to begin with the longest: layers times tokens times width, and a shift that is expected to learn soon.
    /// </summary>
    public double ExpectedWork => (double)Study.Steps * Arm.Layers * Study.Batch * Study.Task.Context * (Width + 64)
        * (Arm.Variant == KvShiftVariant.None ? 1 : 0.3);

    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"{Study.Name}, {Arm.Name}, width {Width}, seed {Seed}");
}
