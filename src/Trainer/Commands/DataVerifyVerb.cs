using System.CommandLine;
using System.Text.Json;
using KvShiftScale.Core;
using KvShiftScale.Data.Shards;
using KvShiftScale.Trainer.Reporting;

namespace KvShiftScale.Trainer.Commands;

/// <summary><c>kvshift data verify</c>: reads everything and prints the checksum of the ids.</summary>
internal static class DataVerifyVerb
{
    public static Command Build()
    {
        var path = new Argument<string[]>("path") { Description = "Token shards: files, folders or globs.", Arity = ArgumentArity.OneOrMore };
        var command = new Command("verify",
            "Reads every page, and holds prepared folders against their manifests; the last line of output is a JSON object.") { path };
        command.SetAction(parsed => Run(parsed.GetRequiredValue(path)));
        return command;
    }

    private static int Run(string[] paths)
    {
        var shards = ShardFiles.Find(paths);
        DataNotices.Tell(shards.LeftOut);
        using var progress = new ProgressLine();
        var (whole, each) = ShardVerification.Read(shards.Paths, tokens => progress.Update(FormattableString.Invariant($"data: {tokens:N0} tokens read")));
        // The line that scripts read comes last, also where a folder is not what it was.
        var differences = ManifestCheck.Differences(shards, each);
        foreach (var difference in differences)
        {
            Console.Error.WriteLine($"kvshift: {difference}");
        }

        var result = new Dictionary<string, object> { ["rows"] = whole.Rows, ["tokens"] = whole.Tokens, ["sha256"] = whole.Sha256 };
        Console.WriteLine(JsonSerializer.Serialize(result));
        return differences.Count == 0 ? ExitCode.Done : ExitCode.Failed;
    }
}
