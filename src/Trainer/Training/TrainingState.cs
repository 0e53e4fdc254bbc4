using System.Text.Json;
using KvShiftScale.Core.Faults;
using KvShiftScale.Core.Text;
using KvShiftScale.Data.Loading;
using KvShiftScale.Trainer.BadNumbers;
using KvShiftScale.Trainer.Telemetry;

namespace KvShiftScale.Trainer.Training;

/// <summary>Everything of a run that is not a tensor and that a later launch needs: <c>state.json</c> of a checkpoint.</summary>
internal sealed record TrainingState
{
    /// <summary>Name of the file in a checkpoint.</summary>
    public const string FileName = "state.json";

    /// <summary>Steps done, skipped ones included.</summary>
    public required long Step { get; init; }

    /// <summary>Tokens read so far, over all ranks, padding not counted.</summary>
    public required long Tokens { get; init; }

    /// <summary>Position in the data and what the data was; null for a model that was imported, which any data may train.</summary>
    public required LoaderState? Loader { get; init; }

    /// <summary>Learning rate of the last update.</summary>
    public double LearningRate { get; init; }

    /// <summary>Validation loss before the first update, where it was taken.</summary>
    public double? InitialValidationLoss { get; init; }

    /// <summary>
    /// The step's line of the log where a signal came before the validation and the probe that are due after it: a later launch makes
    /// these first. Null otherwise.
    /// </summary>
    public StepRecord? Unmeasured { get; init; }

    /// <summary>Steps at which an earlier launch took over from a checkpoint.</summary>
    public IReadOnlyList<long> ResumedAt { get; init; } = [];

    /// <summary>What decides which coming steps are skipped.</summary>
    public StepGuardState Guard { get; init; } = new();

    /// <summary>The file's bytes.</summary>
    public byte[] ToJson() => JsonSerializer.SerializeToUtf8Bytes(this, RecordJson.Document);

    /// <summary>Reads the file of a checkpoint.</summary>
    public static TrainingState Read(string checkpoint)
    {
        var path = Path.Combine(checkpoint, FileName);
        InjectedFaults.Reach("state.read");
        try
        {
            return JsonSerializer.Deserialize<TrainingState>(File.ReadAllBytes(path), RecordJson.Document)
                ?? throw new InvalidDataException($"{path} holds null instead of the state of a run");
        }
        catch (JsonException exception)
        {
            throw new InvalidDataException($"{path} is not the state of a run: {exception.Message}", exception);
        }
    }
}
