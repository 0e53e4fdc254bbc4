using System.CommandLine;
using KvShiftScale.Core;
using KvShiftScale.Core.Faults;
using KvShiftScale.Trainer.Launch;
using KvShiftScale.Trainer.Signals;

namespace KvShiftScale.Trainer.Commands;

/// <summary>The verbs of <c>kvshift</c>, and how failures become exit codes.</summary>
internal static class CommandLine
{
    // A word that begins with @ is a word, and no file of more words.
    private static readonly ParserConfiguration Parsing = new() { ResponseFileTokenReplacer = null };

    /// <summary>Parses, runs, and returns the exit code.</summary>
    public static int Run(string[] arguments)
    {
        // From the first moment to the last: a signal while libraries load or metrics are flushed must not kill a rank, nor one that comes
        // when the exit code is decided. So it is not disposed.
        var launch = RankEnvironment.Read(Environment.GetEnvironmentVariable);
        var early = new EarlyEnd(launch);
        var stop = arguments is ["train" or "experiment", ..] ? new StopSignal(early.End) : null;
        // What serves ends by itself at a signal.
        using var ended = stop is null && arguments is not ["serve", ..] ? new SignalEnd() : null;
        var parsed = Parse(arguments, launch, stop, early);
        if (UsageFaults.Of(parsed) is { Count: > 0 } faults)
        {
            FaultReport.Tell(launch, string.Join("\nkvshift: ", faults)
                + "\nRun 'kvshift --help' or 'kvshift VERB --help' for the usage.");
            return ExitCode.Usage;
        }
        try
        {
            InjectedFaults.Load(Environment.GetEnvironmentVariable(InjectedFaults.Variable), launch.Rank);
            InjectedFaults.Reach("start.verb");
            return parsed.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
        }
        catch (Exception exception)
        {
            FaultReport.Tell(launch, FaultReport.Describe(exception));
            return FaultReport.ExitCodeOf(exception);
        }
    }

    /// <summary>Parses, and runs nothing.</summary>
    internal static ParseResult Parse(string[] arguments, RankEnvironment launch, StopSignal? stop, EarlyEnd early)
        => Build(launch, stop, early).Parse(arguments, Parsing);

    /// <summary>All verbs.</summary>
    internal static RootCommand Build(RankEnvironment launch, StopSignal? stop, EarlyEnd early) => new("Pretrains transformers with KV shifting attention.")
    {
        TrainVerb.Build(launch, TelemetryEnvironment.Read(Environment.GetEnvironmentVariable), stop, early),
        PlanVerb.Build(launch),
        RestartVerb.Build(),
        ReplayVerb.Build(launch, Environment.GetEnvironmentVariable(InjectedFaults.Variable)),
        EvalVerb.Build(launch),
        GenerateVerb.Build(),
        ServeVerb.Build(),
        new Command("experiment", "Repeats what the KV shifting paper shows.")
        {
            ExperimentInductionVerb.Build(launch, stop, early),
            ExperimentCompareVerb.Build(launch, stop, early),
        },
        new Command("data", "Makes and looks at token shards.")
        {
            DataPrepareVerb.Build(),
            DataInspectVerb.Build(),
            DataVerifyVerb.Build(),
        },
        new Command("model", "Looks after model folders.")
        {
            ModelConvertVerb.Build(),
        },
        new Command("checkpoint", "Looks at checkpoints, and makes model folders of them and back.")
        {
            CheckpointListVerb.Build(),
            CheckpointInspectVerb.Build(),
            CheckpointVerifyVerb.Build(),
            CheckpointExportVerb.Build(),
            CheckpointImportVerb.Build(),
        },
        CompareVerb.Build(),
        NewVerb.Build(),
        ConfigVerb.Build(),
        DoctorVerb.Build(launch),
        StacksVerb.Build(),
        new Command("tokenizer", "Makes tokenizers.")
        {
            TokenizerTrainVerb.Build(),
        },
    };
}
