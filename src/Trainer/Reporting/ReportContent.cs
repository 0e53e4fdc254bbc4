using KvShiftScale.Trainer.Telemetry;

namespace KvShiftScale.Trainer.Reporting;

/// <summary>What a run's report shows.</summary>
public sealed record ReportContent
{
    /// <summary>Name of the run.</summary>
    public required string RunName { get; init; }

    /// <summary>Logged steps in order.</summary>
    public required IReadOnlyList<StepRecord> Records { get; init; }

    /// <summary>Optimizer steps that the run is to have in all.</summary>
    public required long PlannedSteps { get; init; }

    /// <summary>The resolved configuration.</summary>
    public required string ConfigurationYaml { get; init; }

    /// <summary>Where the run ran.</summary>
    public required RunEnvironment Environment { get; init; }

    /// <summary>When the report is written.</summary>
    public required DateTimeOffset WrittenAt { get; init; }

    /// <summary>Steps of the checkpoints from which later launches went on.</summary>
    public IReadOnlyList<long> ResumedAfterSteps { get; init; } = [];

    /// <summary>Steps that there is a checkpoint of.</summary>
    public IReadOnlyList<long> Checkpoints { get; init; } = [];

    /// <summary>Norm to which gradients are scaled down; null or 0: they are not.</summary>
    public double? ClipNorm { get; init; }

    /// <summary>What of the configuration is not the default: key, value, default.</summary>
    public IReadOnlyList<(string Key, string Value, string? Default)> ChangedSettings { get; init; } = [];

    /// <summary>The run goes on: a page that is open looks again.</summary>
    public bool IsRunning { get; init; }

    /// <summary>Trainable numbers of the model; null where unknown.</summary>
    public long? ParameterCount { get; init; }

    /// <summary>Text that the model was given to go on with.</summary>
    public string? SamplePrompt { get; init; }

    /// <summary>Text that the model wrote after the prompt; null for no sample.</summary>
    public string? SampleText { get; init; }
}
