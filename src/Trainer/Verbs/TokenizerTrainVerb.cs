using System.CommandLine;
using System.Globalization;
using KvShiftScale.Data.Text;
using KvShiftScale.Data.Tokenization.Files;
using KvShiftScale.Data.Tokenization.Training;
using KvShiftScale.Trainer.Launch;

namespace KvShiftScale.Trainer.Verbs;

/// <summary><c>kvshift tokenizer train</c>: a byte-level BPE from text.</summary>
internal static class TokenizerTrainVerb
{
    public static Command Build()
    {
        var input = new Option<string[]>("--input")
        {
            Description = "Text, Markdown, JSON lines or .NET documentation XML, plain, .gz or .zst; folders, and globs with * and **.",
            Required = true,
            AllowMultipleArgumentsPerToken = true,
        };
        var size = new Option<int>("--vocab-size") { Description = "Ids in all, end-of-text included.", Required = true };
        var output = new Option<string>("--output") { Description = "Folder for tokenizer.json, vocab.json and merges.txt.", Required = true };
        var field = new Option<string>("--field") { Description = "Field of JSON lines that holds the text.", DefaultValueFactory = _ => "text" };
        var threads = new Option<int>("--threads")
        {
            Description = "Threads that count; the files do not depend on it.",
            DefaultValueFactory = _ => Environment.ProcessorCount,
        };
        var command = new Command("train", "Trains a byte-level BPE tokenizer.") { input, size, output, field, threads };
        command.SetAction(parsed => Run(parsed.GetRequiredValue(input), parsed.GetRequiredValue(size), parsed.GetRequiredValue(output),
            parsed.GetValue(field)!, parsed.GetValue(threads)));
        return command;
    }

    private static int Run(string[] input, int size, string output, string field, int threads)
    {
        MachineRules.CheckThreads("--threads", threads);
        using var progress = new ProgressLine();
        var documents = TextDocuments.Read(input, field).Select(document => document.Text);
        var trained = ByteLevelBpeTrainer.Train(documents, size, threads, new TrainingReport(progress));
        TokenizerFolder.Save(trained, output);
        progress.Done(string.Create(CultureInfo.InvariantCulture, $"tokenizer: {trained.Tokens.Count:N0} ids in {output}"));
        return ExitCode.Done;
    }

    private sealed class TrainingReport(ProgressLine line) : IProgress<BpeTrainingProgress>
    {
        public void Report(BpeTrainingProgress value) => line.Update(string.Create(CultureInfo.InvariantCulture,
            $"tokenizer: {value.Documents:N0} documents, {value.Characters / 1e6:F1} M characters, merges {value.Merges:N0} of {value.MergesWanted:N0}"));
    }
}
