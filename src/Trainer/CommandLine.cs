using System.CommandLine;
using KvShiftScale.Trainer.Faults;
using KvShiftScale.Trainer.Launch;
using KvShiftScale.Trainer.Training;
using KvShiftScale.Trainer.Verbs;

namespace KvShiftScale.Trainer;

/// <summary>The verbs of <c>kvshift</c>, and how failures become exit codes.</summary>
internal static class CommandLine
{
    /// <summary>Parses, runs, and returns the exit code.</summary>
    public static int Run(string[] arguments)
    {
        // From the first moment to the last: a signal while libraries load or metrics are flushed must not kill a rank, nor one that comes
        // when the exit code is decided. So it is not disposed.
        var stop = arguments is ["train", ..] ? new StopSignal() : null;
        var launch = RankEnvironment.Read(Environment.GetEnvironmentVariable);
        var parsed = Build(launch, stop).Parse(arguments);
        if (parsed.Errors.Count > 0)
        {
            FaultReport.Tell(launch, string.Join("\nkvshift: ", parsed.Errors.Select(error => error.Message))
                + "\nRun 'kvshift --help' or 'kvshift VERB --help' for the usage.");
            return ExitCode.Usage;
        }
        try
        {
            InjectedFaults.Load(Environment.GetEnvironmentVariable(InjectedFaults.Variable), launch.Rank);
            return parsed.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
        }
        catch (Exception exception)
        {
            FaultReport.Tell(launch, FaultReport.Describe(exception));
            return FaultReport.ExitCodeOf(exception);
        }
    }

    private static RootCommand Build(RankEnvironment launch, StopSignal? stop) => new("Pretrains transformers with KV shifting attention.")
    {
        TrainVerb.Build(launch, TelemetryEnvironment.Read(Environment.GetEnvironmentVariable), stop),
        RestartVerb.Build(),
        ReplayVerb.Build(launch, Environment.GetEnvironmentVariable(InjectedFaults.Variable)),
        EvalVerb.Build(launch),
        GenerateVerb.Build(),
        new Command("experiment", "Repeats what the KV shifting paper shows.")
        {
            ExperimentInductionVerb.Build(launch),
            ExperimentCompareVerb.Build(launch),
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
        StacksVerb.Build(),
        new Command("tokenizer", "Makes tokenizers.")
        {
            TokenizerTrainVerb.Build(),
        },
    };
}
