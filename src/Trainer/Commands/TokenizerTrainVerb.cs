using System.CommandLine;
using System.Globalization;
using KvShiftScale.Core;
using KvShiftScale.Data.Corpus;
using KvShiftScale.Data.Preparation;
using KvShiftScale.Data.Text;
using KvShiftScale.Data.Tokenization.Files;
using KvShiftScale.Data.Tokenization.Training;
using KvShiftScale.Trainer.Launch;
using KvShiftScale.Trainer.Reporting;

namespace KvShiftScale.Trainer.Commands;

/// <summary><c>kvshift tokenizer train</c>: a byte-level BPE from text.</summary>
internal static class TokenizerTrainVerb
{
    public static Command Build()
    {
        var input = new Option<string[]>("--input")
        {
            Description = CorpusOptions.InputDescription,
            Required = true,
            AllowMultipleArgumentsPerToken = true,
        };
        var corpus = new CorpusOptions();
        var size = new Option<int>("--vocab-size") { Description = "Ids in all, end-of-text included.", Required = true };
        var output = new Option<string>("--output") { Description = "Folder for tokenizer.json, vocab.json and merges.txt.", Required = true };
        var threads = new Option<int>("--threads")
        {
            Description = "Threads that count; the files do not depend on it.",
            DefaultValueFactory = _ => Environment.ProcessorCount,
        };
        var command = new Command("train", "Trains a byte-level BPE tokenizer.") { input, size, output, threads };
        corpus.AddTo(command);
        command.SetAction(parsed =>
        {
            MachineRules.CheckThreads("--threads", parsed.GetValue(threads));
            Train(parsed.GetRequiredValue(input), parsed.GetRequiredValue(size), parsed.GetRequiredValue(output),
                corpus.FieldOf(parsed), corpus.SelectionOf(parsed), corpus.SkipsBadLines(parsed), parsed.GetValue(threads));
            return ExitCode.Done;
        });
        return command;
    }

    /// <summary>Trains a tokenizer on the documents of files, and tells what was left out of them.</summary>
    internal static void Train(string[] input, int size, string output, string field, CorpusSelection selection, bool skipsBadLines, int threads)
    {
        using var progress = new ProgressLine();
        var leftOut = 0L;
        LeftOutLine? firstLeftOut = null;
        var files = TextDocuments.Files(input, new OwnFiles(shards: null, output).WhatIs, selection);
        DataNotices.Tell(files.LeftOut);
        var documents = TextDocuments.Read(files, field, skipsBadLines, CountLeftOut).Select(document => document.Text);
        var trained = ByteLevelBpeTrainer.Train(documents, size, threads, new TrainingReport(progress));
        TokenizerFolder.Save(trained, output);
        if (leftOut > 0)
        {
            Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"kvshift: {leftOut:N0} lines or rows are no documents and were left out, the first: {firstLeftOut}"));
        }

        progress.Done(string.Create(CultureInfo.InvariantCulture, $"tokenizer: {trained.Tokens.Count:N0} ids in {output}"));

        void CountLeftOut(LeftOutLine line)
        {
            leftOut++;
            firstLeftOut ??= line;
        }
    }

    private sealed class TrainingReport(ProgressLine line) : IProgress<BpeTrainingProgress>
    {
        public void Report(BpeTrainingProgress value) => line.Update(string.Create(CultureInfo.InvariantCulture,
            $"tokenizer: {value.Documents:N0} documents, {value.Characters / 1e6:F1} M characters, merges {value.Merges:N0} of {value.MergesWanted:N0}"));
    }
}
