using KvShiftScale.Data.Synthetic;
using KvShiftScale.Models.Configuration;

namespace KvShiftScale.Trainer.Experiments.Induction;

/// <summary>The studies of <c>kvshift experiment induction</c>.</summary>
internal static class InductionPreset
{
    public const string Quick = "quick";
    public const string Paper = "paper";

    public static IReadOnlyList<string> Names { get; } = [Quick, Paper];

    /// <summary>Studies of a preset, with one layer for each of the variants beside the vanilla transformers.</summary>
    public static IReadOnlyList<InductionStudy> Studies(string preset, IReadOnlyList<KvShiftVariant> variants)
        => preset == Paper ? [PaperSized(variants)] : [SmallSingleRepeat(variants), SmallSuccessors(variants)];

    // Of the paper: vocabulary, length, sequences of a step, rate, warm-up, width of figure 1a. Not in the paper, so our choice: steps, heads,
    // rotary base and feed-forward width (those of configs/induction-depth.yaml), initial weights, evaluation, the widths between 8 and 1,024,
    // and that every answer carries loss.
    private static InductionStudy PaperSized(IReadOnlyList<KvShiftVariant> variants) => new()
    {
        Name = "paper",
        Description = "the paper's generator, repaired: 512 candidates of 8,000 ids in sequences of 512 tokens",
        Task = new InductionTask { Generator = InductionGenerator.Successors, VocabularySize = 8000, Candidates = 512, Context = 512 },
        Arms = [.. OneLayer(variants), InductionArm.VanillaOneLayer, InductionArm.VanillaTwoLayers, InductionArm.VanillaFourLayers],
        MainWidth = 1024,
        MainFfnSize = 2048,
        RopeBase = 100_000,
        Seeds = 3,
        WidthArms = [.. OneLayer(variants), InductionArm.VanillaTwoLayers],
        OtherWidths = [8, 16, 32, 64, 128, 256, 512],
        WidthSeeds = 3,
        Batch = 4096,
        MicroBatch = 16,
        LearningRate = 2e-4,
        WarmupSteps = 1000,
        Steps = 10_000,
        EvaluateEvery = 100,
        EvaluationSequences = 1024,
    };

    private static InductionStudy SmallSingleRepeat(IReadOnlyList<KvShiftVariant> variants) => new()
    {
        Name = "single-repeat",
        Description = "16 distinct ids of 64, then one of them again: what followed it?",
        Task = new InductionTask { Generator = InductionGenerator.SingleRepeat, VocabularySize = 64, Candidates = 16, Context = 17 },
        Arms = [.. OneLayer(variants), InductionArm.VanillaOneLayer, InductionArm.VanillaTwoLayers, InductionArm.VanillaFourLayers],
        MainWidth = 32,
        Seeds = 5,
        WidthArms = [.. OneLayer(variants), InductionArm.VanillaTwoLayers],
        OtherWidths = [8, 16],
        WidthSeeds = 3,
        Batch = 128,
        MicroBatch = 128,
        LearningRate = 3e-3,
        WarmupSteps = 50,
        Steps = 2000,
        EvaluateEvery = 50,
        EvaluationSequences = 1024,
        VanillaOneLayerBound = 0.12,
    };

    private static InductionStudy SmallSuccessors(IReadOnlyList<KvShiftVariant> variants) => new()
    {
        Name = "successors",
        Description = "the paper's generator, repaired: 32 candidates of 128 ids in sequences of 64 tokens",
        Task = new InductionTask { Generator = InductionGenerator.Successors, VocabularySize = 128, Candidates = 32, Context = 64 },
        Arms = [.. OneLayer(variants), InductionArm.VanillaOneLayer, InductionArm.VanillaTwoLayers],
        MainWidth = 32,
        Seeds = 3,
        Batch = 32,
        MicroBatch = 32,
        LearningRate = 3e-3,
        WarmupSteps = 50,
        Steps = 2500,
        EvaluateEvery = 50,
        EvaluationSequences = 512,
    };

    private static IEnumerable<InductionArm> OneLayer(IReadOnlyList<KvShiftVariant> variants)
        => variants.Select(variant => new InductionArm(variant, 1));
}
