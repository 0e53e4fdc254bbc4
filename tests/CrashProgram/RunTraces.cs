using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace KvShiftScale.CrashProgram;

/// <summary>What a run has left in its folder.</summary>
internal sealed partial class RunTraces(string folder)
{
    /// <summary>Where its checkpoints are.</summary>
    public string Checkpoints => Path.Combine(folder, "checkpoints");

    /// <summary>Finished checkpoints, the newest first, whether they are still good or not.</summary>
    public List<(long Step, string Path)> Finished()
        => [.. Folders(FinishedName())];

    /// <summary>What killed saves have left, the newest first.</summary>
    public List<(long Step, string Path)> Unfinished() => [.. Folders(UnfinishedName())];

    /// <summary>Logged steps.</summary>
    public int LoggedSteps
    {
        get
        {
            var path = Path.Combine(folder, "metrics.jsonl");
            return File.Exists(path) ? File.ReadAllBytes(path).Count(letter => letter == '\n') : 0;
        }
    }

    /// <summary>Every step's numbers that do not depend on time, as they stand in the log, one line a step.</summary>
    public string Curve()
    {
        var lines = File.ReadLines(Path.Combine(folder, "metrics.jsonl")).Select(line =>
        {
            using var record = JsonDocument.Parse(line);
            return string.Join(' ', ((string[])["step", "loss", "tokens", "grad_norm", "lr", "validation_loss"])
                .Select(name => record.RootElement.TryGetProperty(name, out var value) ? value.GetRawText() : "-"));
        });
        return string.Join('\n', lines);
    }

    /// <summary>SHA-256 of the tensors of a step's checkpoint.</summary>
    public string Bits(long step) => CheckpointBits.Sha256(Path.Combine(Checkpoints, string.Create(CultureInfo.InvariantCulture, $"step-{step:D8}")));

    private IEnumerable<(long Step, string Path)> Folders(Regex name) => !Directory.Exists(Checkpoints) ? [] : Directory.EnumerateDirectories(Checkpoints)
        .Select(path => (Match: name.Match(Path.GetFileName(path)), Path: path)).Where(found => found.Match.Success)
        .Select(found => (Step: long.Parse(found.Match.Groups[1].ValueSpan, CultureInfo.InvariantCulture), found.Path)).OrderByDescending(found => found.Step);

    [GeneratedRegex("^step-([0-9]+)$")]
    private static partial Regex FinishedName();

    [GeneratedRegex(@"^\.step-([0-9]+)\.")]
    private static partial Regex UnfinishedName();
}
