using System.CommandLine;
using System.Text.Json;
using KvShiftScale.Data;

namespace KvShiftScale.Trainer.Verbs;

/// <summary><c>kvshift data verify</c>: reads everything and prints the checksum of the ids.</summary>
internal static class DataVerifyVerb
{
    public static Command Build()
    {
        var path = new Argument<string>("path") { Description = "A token shard, or a folder of them." };
        var command = new Command("verify", "Reads every page; the last line of output is a JSON object.") { path };
        command.SetAction(parsed => Run(parsed.GetRequiredValue(path)));
        return command;
    }

    private static int Run(string path)
    {
        if (!File.Exists(path) && !Directory.Exists(path)) throw new UsageException($"found neither file nor folder {path}; wanted token shards");
        var read = ShardVerification.Read(path);
        Console.WriteLine(JsonSerializer.Serialize(new Dictionary<string, object> { ["rows"] = read.Rows, ["tokens"] = read.Tokens, ["sha256"] = read.Sha256 }));
        return ExitCode.Done;
    }
}
