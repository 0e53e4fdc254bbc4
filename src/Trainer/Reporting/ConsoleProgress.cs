using KvShiftScale.Core.Text;
using KvShiftScale.Trainer.Telemetry;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace KvShiftScale.Trainer.Reporting;

/// <summary>
/// Shows a run while it trains: a live panel on a terminal, plain lines everywhere else. Used by one rank of a launch, from the thread
/// that trains; the panel is drawn by a thread of its own and never makes training wait.
/// </summary>
public sealed class ConsoleProgress : IDisposable
{
    private const int RefreshMilliseconds = 250;
    private const int SparklineWidth = 56;
    private const int BarWidth = 30;
    private const int LabelWidth = 8;

    // Weight of the newest step in the duration that the remaining time is reckoned with.
    private const double NewestWeight = 0.3;

    private readonly string _runName;
    private readonly long _plannedSteps;
    private readonly IAnsiConsole _console;
    private readonly TextWriter _errors;
    private readonly Lock _lock = new();
    private readonly List<double> _losses = [];
    private readonly ManualResetEventSlim _closing = new();
    private readonly Thread? _drawing;
    private StepRecord? _last;
    private double? _validationLoss;
    private double _stepSeconds;

    /// <summary>Starts the display.</summary>
    /// <param name="runName">Name of the run.</param>
    /// <param name="plannedSteps">Optimizer steps that the run is to have in all.</param>
    /// <param name="console">Where to; a live panel where it can move the cursor, plain lines where it cannot.</param>
    /// <param name="errors">Where warnings go on a console without a panel.</param>
    public ConsoleProgress(string runName, long plannedSteps, IAnsiConsole console, TextWriter errors)
    {
        _runName = runName;
        _plannedSteps = plannedSteps;
        _console = console;
        _errors = errors;
        // Nobody is asked anything, so that it does not matter where input comes from: ranks have none.
        if (console.Profile is { Capabilities.Ansi: true, Out.IsTerminal: true })
        {
            _drawing = new Thread(DrawUntilClosed) { IsBackground = true, Name = "progress" };
            _drawing.Start();
        }
    }

    /// <summary>Shows a logged step.</summary>
    public void Report(StepRecord record)
    {
        lock (_lock)
        {
            _last = record;
            _validationLoss = record.ValidationLoss ?? _validationLoss;
            if (record.Step > 0)
            {
                _losses.Add(record.Loss);
                _stepSeconds = _stepSeconds == 0 ? record.StepSeconds : _stepSeconds + (NewestWeight * (record.StepSeconds - _stepSeconds));
            }

            if (_drawing is null)
            {
                _console.Profile.Out.Writer.WriteLine(PlainLine(record));
                _console.Profile.Out.Writer.Flush();
            }
        }
    }

    /// <summary>Shows a sentence between the steps, such as that a checkpoint is written.</summary>
    public void Say(string sentence)
    {
        if (_drawing is null)
        {
            _console.Profile.Out.Writer.WriteLine(sentence);
            _console.Profile.Out.Writer.Flush();
        }
        else
        {
            _console.MarkupLineInterpolated($"[grey]{OverBorder(sentence)}[/]");
        }
    }

    /// <summary>Shows a warning; it goes to standard error where there is no panel to keep in one piece.</summary>
    public void Warn(string sentence)
    {
        if (_drawing is null)
        {
            _errors.WriteLine($"warning: {sentence}");
            _errors.Flush();
        }
        else
        {
            _console.MarkupLineInterpolated($"[yellow]warning:[/] {OverBorder(sentence, "warning: ".Length)}");
        }
    }

    /// <summary>Leaves the panel as it stands and gives the terminal back.</summary>
    public void Dispose()
    {
        _closing.Set();
        _drawing?.Join();
        _closing.Dispose();
    }

    /// <summary>One logged step as a line of a log.</summary>
    internal string PlainLine(StepRecord record)
    {
        var validation = record.ValidationLoss is { } loss ? $" validation {Quantity.Loss(loss)}{ValidationLosses.Describe(record.ValidationSets)}" : "";
        if (record.Step == 0)
        {
            return Quantity.Format($"step 0/{_plannedSteps}{validation}");
        }

        return Quantity.Format($"step {record.Step}/{_plannedSteps} loss {Quantity.Loss(record.Loss)}{validation} ") +
            Quantity.Format($"lr {Quantity.LearningRate(record.Lr)} grad_norm {record.GradNorm:0.000} ") +
            (record.Skipped ? "skipped " : "") +
            (record.Probe is { } probe ? Quantity.Format($"induction {probe.Scores.Accuracy:0.000} ") : "") +
            Quantity.Format($"tokens/s {Quantity.Whole(record.TokensPerSecond)} ") +
            (record.TflopsPerRank is { } rate ? $"tflops {Quantity.Tflops(rate)} " : "") +
            (record.Mfu is { } mfu ? Quantity.Format($"mfu {mfu:0.000} ") : "") +
            (record.MatmulShare is { } share ? Quantity.Format($"matmul_share {share:0.000} ") : "") +
            $"eta {Remaining(record.Step)}";
    }

    /// <summary>What the panel shows now. It fits 80 columns.</summary>
    internal IRenderable Panel()
    {
        lock (_lock)
        {
            var step = _last?.Step ?? 0;
            var rows = new Grid()
                .AddColumn(new GridColumn().NoWrap().Width(LabelWidth).PadRight(2))
                .AddColumn(new GridColumn().NoWrap());
            rows.AddRow(Label("progress"), Progress(step));
            rows.AddRow(Label("loss"), new Text(
                $"{Quantity.Loss(step > 0 ? _last!.Loss : null)}   validation {Quantity.Loss(_validationLoss)}"));
            rows.AddRow(Label(""), new Text(Sparkline.Draw(_losses, SparklineWidth), "deepskyblue1"));
            if (_last is not null && step > 0)
            {
                rows.AddRow(Label("speed"), new Text(
                    $"{Quantity.Whole(_last.TokensPerSecond)} tokens/s   {Quantity.Duration(_last.StepSeconds)} a step   " +
                    $"eta {Remaining(step)}"));
                if (Compute(_last) is { Length: > 0 } compute)
                {
                    rows.AddRow(Label("compute"), new Text(compute));
                }

                rows.AddRow(Label("update"), new Text(
                    Quantity.Format($"lr {Quantity.LearningRate(_last.Lr)}   gradient norm {_last.GradNorm:0.000}   ") +
                    $"{Quantity.Short(_last.Tokens)} tokens"));
            }

            return new Panel(rows)
            {
                Header = new PanelHeader($" {Markup.Escape(_runName)} "),
                Border = BoxBorder.Rounded,
                Padding = new Padding(2, 0),
            };
        }
    }

    // Lines over the panel are written over its upper border, which blanks have to cover to the end.
    private string OverBorder(string sentence, int before = 0)
    {
        var width = Math.Max(2, _console.Profile.Width);
        return sentence + new string(' ', width - 1 - ((before + sentence.Length) % width));
    }

    private static string Compute(StepRecord record) => string.Join("   ", ((string?[])
    [
        record.TflopsPerRank is { } rate ? $"{Quantity.Tflops(rate)} TFLOP/s a rank" : null,
        record.Mfu is { } mfu ? $"MFU {Quantity.Percent(mfu)}" : null,
        record.MatmulShare is { } share ? $"{Quantity.Percent(share)} of best product" : null,
    ]).OfType<string>());

    private static Text Label(string text) => new(text, "grey");

    private Markup Progress(long step)
    {
        var done = Math.Clamp((double)step / _plannedSteps, 0, 1);
        var full = (int)(done * BarWidth);
        return new Markup(
            $"[green]{new string('━', full)}[/][grey]{new string('━', BarWidth - full)}[/] " +
            Quantity.Format($"{done * 100:0} %   step {Quantity.Whole(step)} of {Quantity.Whole(_plannedSteps)}"));
    }

    private string Remaining(long step) => _stepSeconds > 0 ? Quantity.Duration(_stepSeconds * Math.Max(0, _plannedSteps - step)) : "-";

    private void DrawUntilClosed() => _console.Live(Panel()).Start(live =>
    {
        while (!_closing.Wait(RefreshMilliseconds))
        {
            live.UpdateTarget(Panel());
        }

        live.UpdateTarget(Panel());
    });
}
