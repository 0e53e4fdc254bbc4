using System.Text.Json;
using System.Text.Json.Serialization;
using KvShiftScale.Core.Text;

namespace KvShiftScale.Trainer.Launch;

/// <summary>One crash of a launch and what followed: a line of <c>restarts.jsonl</c> in the run's folder.</summary>
/// <param name="Time">When the crash was seen.</param>
/// <param name="Launch">The call of launch/train, or the Slurm job, that the crash belongs to.</param>
/// <param name="Crash">Its number within the launch, from 1.</param>
/// <param name="ExitCode">Of the launcher; 128 + n where signal n ended it or a rank.</param>
/// <param name="Step">Last step in the log; 0 before the first.</param>
/// <param name="Checkpoint">Step of the newest finished checkpoint; null when there is none.</param>
/// <param name="Ranks">Ranks that ran.</param>
/// <param name="NextRanks">Ranks that go on; null when none do.</param>
/// <param name="Reason">Why none go on; null when some do.</param>
internal sealed record CrashRecord(DateTimeOffset Time, string Launch, int Crash, int ExitCode, long Step, long? Checkpoint, int Ranks,
    int? NextRanks = null, string? Reason = null)
{
    /// <summary>How the launcher ended, in words.</summary>
    public string Cause => ExitCode > 128
        ? FormattableString.Invariant($"signal {ExitCode - 128}") : FormattableString.Invariant($"exit code {ExitCode}");

    /// <summary>What this launcher's call was told to be called (<see cref="RankEnvironment.LaunchName"/>): each restart is one of its own.</summary>
    [JsonIgnore]
    public string LaunchName => FormattableString.Invariant($"{Launch}.{Crash}");

    /// <summary>The crash of a launch before this one, if the file has it.</summary>
    public static CrashRecord? LastOf(string path, string launch)
    {
        if (!File.Exists(path))
        {
            return null;
        }

        var line = File.ReadLines(path).LastOrDefault(line => line.EndsWith('}'));
        try
        {
            return line is not null && JsonSerializer.Deserialize<CrashRecord>(line, RecordJson.Line) is { } record && record.Launch == launch
                ? record : null;
        }
        catch (JsonException)
        {
            // Somebody else's line. Without the crash before there is one restart more.
            return null;
        }
    }

    /// <summary>Adds the line.</summary>
    public void AppendTo(string path) => File.AppendAllText(path, JsonSerializer.Serialize(this, RecordJson.Line) + "\n");
}
