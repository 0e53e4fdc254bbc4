using System.CommandLine;
using KvShiftScale.Core;

namespace KvShiftScale.Trainer.Commands;

/// <summary>How a verb is told which model it is about: <c>kvshift VERB RUN [--step N]</c>, or <c>--model</c> for the run.</summary>
internal sealed class ModelChoice
{
    private readonly Argument<string?> _run = new("run")
    {
        Description = "A run's name or folder for its newest good checkpoint, a checkpoint, or a model folder.",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private readonly Option<string?> _model = new("--model") { Description = "The same." };

    private readonly Option<string?> _step = StepOption();

    /// <summary>Which checkpoint of a run.</summary>
    public static Option<string?> StepOption() => new("--step")
    {
        Description = $"Which checkpoint of a run: a step, or {RunPath.Best} for the lowest validation loss; the newest good one by default.",
    };

    /// <summary>Gives a verb the argument and the options.</summary>
    public void AddTo(Command command)
    {
        command.Add(_run);
        command.Add(_model);
        command.Add(_step);
    }

    /// <summary>The model's folder.</summary>
    /// <exception cref="UsageException">None is named, or two, or there is none.</exception>
    public string Resolve(ParseResult parsed)
    {
        var named = (parsed.GetValue(_run), parsed.GetValue(_model)) switch
        {
            ({ } run, null) => run,
            (null, { } model) => model,
            ({ } run, { } model) => throw new UsageException($"found the model {run} and --model {model}; wanted one of them"),
            _ => throw new UsageException($"found no model; wanted a run's name or folder, a checkpoint or a model folder: kvshift {parsed.CommandResult.Command.Name} RUN"),
        };
        return RunPath.Model(named, parsed.GetValue(_step), Warn);
    }

    /// <summary>Tells on standard error what was passed over.</summary>
    public static void Warn(string sentence) => Console.Error.WriteLine($"kvshift: passed over {sentence}");
}
