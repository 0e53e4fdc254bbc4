using TorchSharp;
using TorchSharp.Modules;

namespace KvShiftScale.Trainer.Telemetry;

/// <summary>Logged steps as TensorBoard reads them: an event file a launch, a scalar for each number that a step has.</summary>
internal sealed class TensorBoardLog
{
    /// <summary>Name of the folder of event files in a run's.</summary>
    public const string FolderName = "tensorboard";

    private readonly string _folder;
    private readonly Action<string> _warn;
    private SummaryWriter? _writer;
    private bool _isRefused;

    /// <param name="folder">Where to; it is made with the first step.</param>
    /// <param name="warn">Told once where the disk refuses; training does without.</param>
    public TensorBoardLog(string folder, Action<string> warn) => (_folder, _warn) = (folder, warn);

    /// <summary>Adds the numbers of a step, under the names that they have in metrics.jsonl.</summary>
    public void Add(StepRecord record)
    {
        try
        {
            if (!_isRefused)
            {
                Write(record);
            }
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            _isRefused = true;
            _warn($"event files for TensorBoard are no longer written: {error.Message}");
        }
    }

    private void Write(StepRecord record)
    {
        _writer ??= Open();
        foreach (var metric in StepMetrics.All)
        {
            if (record[metric] is { } value && double.IsFinite(value) && metric != StepMetrics.Step)
            {
                _writer.add_scalar(metric.Name, (float)value, (int)record.Step);
            }
        }
    }

    private SummaryWriter Open()
    {
        Directory.CreateDirectory(_folder);
        return torch.utils.tensorboard.SummaryWriter(_folder);
    }
}
