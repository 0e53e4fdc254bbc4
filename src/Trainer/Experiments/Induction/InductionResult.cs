using System.Text.Json.Serialization;

namespace KvShiftScale.Trainer.Experiments.Induction;

/// <summary>What came out of one run.</summary>
internal sealed record InductionResult
{
    public required string Study { get; init; }

    public required InductionArm Arm { get; init; }

    public required int Width { get; init; }

    public required long Seed { get; init; }

    /// <summary>Trainable numbers.</summary>
    public required long Parameters { get; init; }

    /// <summary>Steps that the run would have had without learning the task.</summary>
    public required int PlannedSteps { get; init; }

    /// <summary>Evaluations in order, from step 0.</summary>
    public required IReadOnlyList<InductionPoint> Curve { get; init; }

    /// <summary>The shift's scalars after the last step, by parameter name, as checkpoints store them: previous token first.</summary>
    public required IReadOnlyDictionary<string, double[]> Scalars { get; init; }

    /// <summary>Time of training and evaluation.</summary>
    public required double Seconds { get; init; }

    /// <summary>What the result depends on; another one makes it worthless.</summary>
    public required string Settings { get; init; }

    /// <summary>Steps at the first evaluation that found the task learnt; null when none did.</summary>
    public int? StepsToLearn => Curve.FirstOrDefault(point => point.Accuracy >= InductionStudy.Learnt)?.Step;

    /// <summary>Highest accuracy at any evaluation.</summary>
    public double BestAccuracy => Curve.Max(point => point.Accuracy);

    /// <summary>
    /// Whether some head of the first layer reads the previous token's key and the current token's value, the one-layer induction head of
    /// the paper's theorem 2 (a = (0, 1), b = (1, 0)). Signs do not count: the projections absorb them. Null without such scalars.
    /// </summary>
    [JsonIgnore]
    public bool? HasInductionHead
    {
        get
        {
            const string Attention = "model.layers.0.self_attn";
            if (!Scalars.TryGetValue($"{Attention}.k_shift", out var key) || !Scalars.TryGetValue($"{Attention}.v_shift", out var value))
            {
                return null;
            }

            return Enumerable.Range(0, key.Length / 2).Any(head => Math.Abs(key[2 * head]) > Math.Abs(key[2 * head + 1])
                && Math.Abs(value[2 * head]) < Math.Abs(value[2 * head + 1]));
        }
    }

    /// <summary>Accuracy after so many steps; a run that has stopped keeps its last one.</summary>
    public double AccuracyAt(int step) => Curve.Last(point => point.Step <= step).Accuracy;
}
