using System.Text;
using System.Text.Json;
using KvShiftScale.Core.Files;
using KvShiftScale.Core.Text;

namespace KvShiftScale.Trainer.BadNumbers;

/// <summary><c>skipped.jsonl</c> of a run: one JSON object for each step whose numbers were bad, each once. No bad steps, no file.</summary>
internal static class SkippedStepLog
{
    /// <summary>Drops lines beyond the step that the run goes on from.</summary>
    /// <param name="path">The file, there or not.</param>
    /// <param name="resumeStep">Step of the checkpoint that the run goes on from; 0 for a new run.</param>
    /// <exception cref="InvalidDataException">A line other than the last is not a bad step.</exception>
    public static void Resume(string path, long resumeStep)
    {
        if (!File.Exists(path))
        {
            return;
        }

        var kept = Read(path).Where(step => step.Step <= resumeStep).Select(Line);
        DurableFile.Replace(path, string.Concat(kept));
    }

    /// <summary>Adds a line, which reaches the operating system before this returns.</summary>
    /// <exception cref="IOException">It cannot be written; nothing of it is in the file.</exception>
    public static void Append(string path, SkippedStep step)
    {
        using var file = new LineFile(path);
        file.Append(Encoding.UTF8.GetBytes(Line(step)));
    }

    /// <summary>Reads all lines; a last one that a kill cut short is left out.</summary>
    /// <exception cref="InvalidDataException">A line other than the last is not a bad step.</exception>
    public static IReadOnlyList<SkippedStep> Read(string path)
    {
        if (!File.Exists(path))
        {
            return [];
        }

        var text = File.ReadAllText(path);
        var lines = text.Split('\n');
        // Behind the last line break is nothing, or the beginning of a line.
        return [.. lines.SkipLast(1).Select((line, index) => Parse(path, index + 1, line))];
    }

    private static SkippedStep Parse(string path, int number, string line)
    {
        try
        {
            return JsonSerializer.Deserialize<SkippedStep>(line, RecordJson.Line) ?? throw new JsonException("null");
        }
        catch (JsonException error)
        {
            throw new InvalidDataException($"{path}, line {number}: expected a JSON object about a skipped step ({error.Message}). Remove the line, or move the file away.", error);
        }
    }

    private static string Line(SkippedStep step) => JsonSerializer.Serialize(step, RecordJson.Line) + "\n";
}
