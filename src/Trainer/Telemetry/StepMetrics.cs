using static KvShiftScale.Trainer.Telemetry.InstrumentKind;
using static KvShiftScale.Trainer.Telemetry.MeasuredBy;
using static KvShiftScale.Trainer.Telemetry.MetricForm;

namespace KvShiftScale.Trainer.Telemetry;

/// <summary>
/// What is measured of a logged step. A line here is all that a metric needs: <c>metrics.jsonl</c>, <c>state.json</c> and OpenTelemetry follow
/// from it, in this order.
/// </summary>
internal static class StepMetrics
{
    private const double Tera = 1e12;

    private static readonly List<StepMetric> Declared = [];

    /// <summary>Number of the step; the first is 1, and 0 stands for the state before any.</summary>
    public static readonly StepMetric Step = Add("step", Whole, window => window.Step,
        "kvshift.train.step", WholeGauge, "{step}", FirstRank, "Optimizer steps done since the run began.");

    /// <summary>NaN before the first step, and where it was not finite.</summary>
    public static readonly StepMetric Loss = Add("loss", Number, window => window.Loss,
        "kvshift.train.loss", Gauge, "{nat}", FirstRank, "Mean loss over the valid targets of the global batch.");

    /// <summary>Earlier launches included. What this one adds is counted step by step.</summary>
    public static readonly StepMetric Tokens = Add("tokens", Whole, window => window.TokensOfRun);

    public static readonly StepMetric GradNorm = Add("grad_norm", Number, window => window.GradientNorm,
        "kvshift.train.grad_norm", Gauge, "1", FirstRank, "Global L2 norm of the gradient before clipping.");

    public static readonly StepMetric Lr = Add("lr", Number, window => window.LearningRate,
        "kvshift.train.learning_rate", Gauge, "1", FirstRank, "Learning rate of the step.");

    public static readonly StepMetric TokensPerSecond = Add("tokens_per_second", Number, window => window.TokensPerSecond,
        "kvshift.train.tokens_per_second", Gauge, "{token}/s", FirstRank, "Throughput over all ranks.");

    /// <summary>Mean since the line before.</summary>
    public static readonly StepMetric StepSeconds = Add("step_seconds", Number, window => window.Seconds / window.Steps);

    public static readonly StepMetric Mfu = Add("mfu", NumberOrNull, window => window.ShareOfStatedPeak(window.FlopsPerRank),
        "kvshift.train.mfu", Gauge, "1", FirstRank,
        "Model FLOPs utilisation: the rate of the model's operations as a share of the devices' stated peak, 0 to 1.");

    public static readonly StepMetric PeakMemoryBytes = Add("peak_memory_bytes", Whole, window => window.PeakMemoryBytes,
        "kvshift.process.peak_memory", WholeGauge, "By", EachRank, "Largest resident memory of the process so far.");

    public static readonly StepMetric TokensPerSecondPerRank = Add("tokens_per_second_per_rank", Optional, window => window.TokensPerSecond / window.Ranks);

    /// <summary>In 10^12 a second, forward and backward.</summary>
    public static readonly StepMetric TflopsPerRank = Add("tflops_per_rank", Optional, window => window.FlopsPerRank / Tera,
        "kvshift.train.tflops_per_rank", Gauge, "{TFLOP}/s", FirstRank, "Rate of the model's operations, mean over ranks.");

    public static readonly StepMetric MatmulShare = Add("matmul_share", Optional, window => window.ShareOfBestRate(window.FlopsPerRank),
        "kvshift.train.matmul_share", Gauge, "1", FirstRank,
        "The rate of the model's operations as a share of the best rate that the first rank has measured, 0 to 1.");

    /// <summary>Added after some steps only.</summary>
    public static readonly StepMetric ValidationLoss = Add("validation_loss", Optional, _ => null,
        "kvshift.validation.loss", Gauge, "{nat}", FirstRank, "Mean loss over the validation data.");

    /// <summary>The step's numbers were bad, and there was no update.</summary>
    public static readonly StepMetric Skipped = Add("skipped", Flag, window => window.IsSkipped ? 1 : null);

    /// <summary>Earlier launches included. What this one adds is counted step by step.</summary>
    public static readonly StepMetric SkippedSteps = Add("skipped_steps", OptionalWhole, window => window.SkippedSteps > 0 ? window.SkippedSteps : null);

    public static readonly StepMetric DataWaitFraction = Add("data_wait_fraction", Optional, window => Math.Clamp(window.DataWaitSeconds / window.Seconds, 0, 1),
        "kvshift.data.wait", Gauge, "1", EachRank, "Share of the step's time spent waiting for its batch, 0 to 1.");

    public static readonly StepMetric CommunicationHidden = Add("communication_hidden", Optional,
        window => window.Ranks == 1 ? null : window.Communication.HiddenFraction,
        "kvshift.communication.hidden", Gauge, "1", EachRank, "Share of reductions and gathers beside which the rank went on computing, 0 to 1.");

    public static readonly StepMetric CommunicationExposedSeconds = Add("communication_exposed_seconds", Optional,
        window => window.Ranks == 1 || window.Communication.Transfer <= 0 ? null : window.Communication.Exposed / window.Steps,
        "kvshift.communication.exposed", Gauge, "s", EachRank, "Seconds a step spent waiting for reductions and gathers.");

    public static readonly StepMetric SaveSeconds = Add("save_seconds", Optional, window => window.SaveWaitSeconds > 0 ? window.SaveWaitSeconds : null);

    public static readonly StepMetric SaveWriteSeconds = Add("save_write_seconds", Optional, window => window.SaveWriteSeconds);

    public static readonly StepMetric ReadRetries = Add("read_retries", None, window => window.ReadRetries > 0 ? window.ReadRetries : null,
        "kvshift.data.read_retries", CounterOfTotals, "{read}", EachRank, "Reads of shards that this rank had to repeat.");

    /// <summary>All of them.</summary>
    public static IReadOnlyList<StepMetric> All => Declared;

    private static StepMetric Add(string name, MetricForm form, Func<StepWindow, double?> take)
    {
        Declared.Add(new StepMetric(Declared.Count, name, form, take));
        return Declared[^1];
    }

    private static StepMetric Add(string name, MetricForm form, Func<StepWindow, double?> take, string instrument, InstrumentKind kind, string unit,
        MeasuredBy by, string description)
    {
        Declared.Add(new StepMetric(Declared.Count, name, form, take,
            metric => new Instrument<StepRecord>(instrument, kind, unit, by, description, record => record[metric])));
        return Declared[^1];
    }
}
