using System.CommandLine;
using KvShiftScale.Parallel;
using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.Launch;
using KvShiftScale.Trainer.Verbs;

namespace KvShiftScale.Trainer;

/// <summary>The verbs of <c>kvshift</c>, and how failures become exit codes.</summary>
internal static class CommandLine
{
    /// <summary>Parses, runs, and returns the exit code.</summary>
    public static int Run(string[] arguments)
    {
        var launch = RankEnvironment.Read(Environment.GetEnvironmentVariable);
        var parsed = Build(launch).Parse(arguments);
        if (parsed.Errors.Count > 0)
        {
            if (launch.Rank > 0) return ExitCode.Usage;
            foreach (var error in parsed.Errors) Console.Error.WriteLine($"kvshift: {error.Message}");
            Console.Error.WriteLine("Run 'kvshift --help' or 'kvshift VERB --help' for the usage.");
            return ExitCode.Usage;
        }
        try
        {
            return parsed.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
        }
        catch (Exception exception) when (exception is ConfigException or UsageException or MeshLayoutException)
        {
            // Every rank finds the same fault; one tells.
            if (launch.Rank <= 0) Console.Error.WriteLine($"kvshift: {exception.Message}");
            return ExitCode.Usage;
        }
        catch (Exception exception) when (exception is IOException or InvalidDataException or UnauthorizedAccessException)
        {
            Console.Error.WriteLine($"kvshift{Rank(launch)}: {exception.Message}");
            return ExitCode.Failed;
        }
        catch (Exception exception)
        {
            Console.Error.WriteLine($"kvshift{Rank(launch)}: {exception}");
            return ExitCode.Failed;
        }
    }

    private static string Rank(RankEnvironment launch) => launch.LaunchedByMpi ? $" (rank {launch.Rank})" : "";

    private static RootCommand Build(RankEnvironment launch) => new("Pretrains transformers with KV shifting attention.")
    {
        TrainVerb.Build(launch),
        EvalVerb.Build(launch),
        GenerateVerb.Build(launch),
        new Command("data", "Makes and looks at token shards.")
        {
            DataPrepareVerb.Build(),
            DataInspectVerb.Build(),
            DataVerifyVerb.Build(),
        },
        new Command("tokenizer", "Makes tokenizers.")
        {
            TokenizerTrainVerb.Build(),
        },
    };
}
