using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using KvShiftScale.Core;
using KvShiftScale.Core.Text;
using KvShiftScale.Data.Corpus;
using KvShiftScale.Data.Preparation;
using KvShiftScale.Data.Shards;
using KvShiftScale.Data.Tokenization;
using KvShiftScale.Trainer.Launch;
using KvShiftScale.Trainer.Reporting;

namespace KvShiftScale.Trainer.Commands;

/// <summary><c>kvshift data prepare</c>: text to token shards.</summary>
internal static class DataPrepareVerb
{
    private const int BarWidth = 24;

    public static Command Build()
    {
        var input = new Option<string[]>("--input")
        {
            Description = CorpusOptions.InputDescription,
            Required = true,
            AllowMultipleArgumentsPerToken = true,
        };
        var corpus = new CorpusOptions();
        var tokenizer = new Option<string?>("--tokenizer") { Description = TokenizerOption.Description };
        var vocabulary = new Option<int?>("--vocab-size")
        {
            Description = "Instead of --tokenizer: train a byte-level BPE of so many ids on the input, into OUTPUT/tokenizer.",
        };
        var output = new Option<string>("--output") { Description = "Folder for the shards.", Required = true };
        var validation = new Option<string?>("--validation")
        {
            Description = "Share of the documents, such as 1%, that goes to OUTPUT/validation, the rest to OUTPUT/train; by a hash of each document.",
        };
        var part = new Option<string?>("--shard")
        {
            Description = "Prepare part i of n (3/16), each n-th file, into a folder of its own in OUTPUT; one process a part, at the same time or not.",
        };
        var endOfText = new Option<string?>("--end-of-text") { Description = "Token or id that ends documents; else what the tokenizer's files say." };
        var noEndOfText = new Option<bool>("--no-end-of-text") { Description = "Do not end documents with the end-of-text id." };
        var beginOfText = new Option<string?>("--begin-of-text")
        {
            Description = "Begin every document with a token (BOS): the one named, or else the one that the tokenizer's files say.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        var specialTokens = new Option<string>("--special-tokens")
        {
            Description = "What a special token written in a text is: 'text', so that no document can hold one, or 'ids', the token itself.",
            DefaultValueFactory = _ => PreparationRecord.NameOf(default),
        };
        var shardTokens = new Option<long>("--shard-tokens") { Description = "Tokens of one shard.", DefaultValueFactory = _ => 64L << 20 };
        var threads = new Option<int>("--threads") { Description = "Threads that tokenize; 0 for as many as there are cores." };
        var command = new Command("prepare",
            "Tokenizes text into Parquet shards, one row a document, in the input's order; goes on where it was interrupted.")
        {
            input, tokenizer, vocabulary, output, validation, part, endOfText, noEndOfText, beginOfText, specialTokens, shardTokens, threads,
        };
        corpus.AddTo(command);
        command.SetAction(parsed =>
        {
            // All that can be refused is, before a tokenizer is trained.
            var options = Options(!parsed.GetValue(noEndOfText), parsed.GetValue(shardTokens), parsed.GetValue(threads)) with
            {
                Field = corpus.FieldOf(parsed),
                Selection = corpus.SelectionOf(parsed),
                SkipsBadLines = corpus.SkipsBadLines(parsed),
                Validation = parsed.GetValue(validation) is { } share ? ValidationShare.Parse(share) : null,
                Part = parsed.GetValue(part) is { } number ? CorpusPart.Parse(number) : null,
                SpecialTokens = SpecialTokensOf(parsed.GetValue(specialTokens)!),
            };
            return Run(parsed.GetRequiredValue(input), TokenizerPath(parsed), parsed.GetRequiredValue(output), options,
                new DocumentMarks(parsed.GetValue(endOfText), parsed.GetResult(beginOfText) is not null, parsed.GetValue(beginOfText)));
        });
        return command;

        string TokenizerPath(ParseResult parsed) => (parsed.GetValue(tokenizer), parsed.GetValue(vocabulary)) switch
        {
            ({ } path, null) => path,
            (null, { } size) when parsed.GetValue(part) is { } one
                => throw new UsageException($"found --vocab-size {size} and --shard {one}; wanted one tokenizer for all parts: make it first, with 'kvshift tokenizer train', and name it with --tokenizer"),
            (null, { } size) => TrainedBeside(parsed.GetRequiredValue(output), size, folder => TokenizerTrainVerb.Train(parsed.GetRequiredValue(input), size, folder,
                corpus.FieldOf(parsed), corpus.SelectionOf(parsed), corpus.SkipsBadLines(parsed), ThreadsOf(parsed.GetValue(threads)))),
            (null, null) => throw new UsageException("found neither --tokenizer nor --vocab-size; wanted the tokenizer to use, or the number of ids of one to train"),
            ({ } path, { } size) => throw new UsageException($"found --tokenizer {path} and --vocab-size {size}; wanted one of them"),
        };
    }

    // An interrupted preparation goes on with the tokenizer that it began with.
    private static string TrainedBeside(string output, int size, Action<string> train)
    {
        var folder = Path.Combine(output, CorpusFolder.Tokenizer);
        if (!Directory.Exists(folder))
        {
            train(folder);
        }
        else if (TokenizerModel.Load(folder).VocabularySize is var found && found != size)
        {
            throw new UsageException(FormattableString.Invariant(
                $"found a tokenizer of {found:N0} ids in {folder}; wanted --vocab-size {found}, to go on with it, or an --output without one"));
        }

        return folder;
    }

    private static int ThreadsOf(int threads)
    {
        MachineRules.CheckThreads("--threads", threads);
        return threads == 0 ? Environment.ProcessorCount : threads;
    }

    private static SpecialTokens SpecialTokensOf(string name) => name switch
    {
        "text" => SpecialTokens.AsText,
        "ids" => SpecialTokens.Recognized,
        _ => throw new UsageException($"found --special-tokens {name}; wanted text or ids"),
    };

    private static PreparationOptions Options(bool appendEndOfText, long shardTokens, int threads)
    {
        return new PreparationOptions
        {
            AppendEndOfText = appendEndOfText,
            ShardTokens = shardTokens,
            Workers = ThreadsOf(threads),
        };
    }

    private static int Run(string[] input, string tokenizerPath, string output, PreparationOptions options, DocumentMarks marks)
    {
        var tokenizer = TokenizerModel.Load(tokenizerPath);
        options = marks.Resolve(tokenizer, options);
        using var line = new ProgressLine();
        var start = Stopwatch.GetTimestamp();
        PreparationProgress? first = null;
        var result = new CorpusPreparation(tokenizer, options with { TokenizerPath = tokenizerPath }).Run(input, output, progress =>
        {
            // What an earlier launch did, and is only passed over, is no measure of speed.
            if (first is null || progress.Documents == first.Value.Documents)
            {
                (first, start) = (progress, Stopwatch.GetTimestamp());
            }

            line.Update(Describe(progress, first.Value, Stopwatch.GetElapsedTime(start).TotalSeconds));
        }, looking: files => line.Update(FormattableString.Invariant($"data: {files:N0} Parquet files looked at")));
        var manifest = result.Manifest;
        DataNotices.Tell(result.LeftOut, result.IdlePatterns);
        TellChanges(manifest.Preparation, result.Validation?.Preparation);
        if (result.FilesWithoutDocument is { Count: > 0 } empty)
        {
            Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"kvshift: {empty.Count:N0} of {manifest.Preparation!.Inputs.Count:N0} files are empty and no documents, {empty[0]} the first"));
        }

        var resumed = result.ShardsBefore > 0 ? FormattableString.Invariant($", going on after {result.ShardsBefore:N0} shards") : "";
        line.Done(FormattableString.Invariant(result.WasFinished
            ? (FormattableString)$"data: {output} is finished: {CountsOf(result)}; remove it to prepare it again"
            : $"data: {CountsOf(result)} in {manifest.Files.Count + (result.Validation?.Files.Count ?? 0):N0} shards of {output}{resumed}"));
        return ExitCode.Done;
    }

    private static string CountsOf(PreparationResult result) => result.Validation is not { } kept
        ? FormattableString.Invariant($"{result.Manifest.Rows:N0} documents, {result.Manifest.Tokens:N0} tokens")
        : FormattableString.Invariant($"{result.Manifest.Rows:N0} documents, {result.Manifest.Tokens:N0} tokens for training and {kept.Rows:N0}, {kept.Tokens:N0} for validation");

    /// <summary>What of the text is not in the shards as it stood in the files.</summary>
    private static void TellChanges(PreparationRecord? preparation, PreparationRecord? validation)
    {
        var replaced = (preparation?.ReplacedSequences ?? 0) + (validation?.ReplacedSequences ?? 0);
        if (replaced > 0)
        {
            Console.Error.WriteLine(FormattableString.Invariant(
                $"kvshift: {replaced:N0} places in {preparation!.DocumentsReplacedIn + (validation?.DocumentsReplacedIn ?? 0):N0} documents are not UTF-8; each became U+FFFD"));
        }

        if (preparation is not { LeftOutLines: > 0 })
        {
            return;
        }

        Console.Error.WriteLine(FormattableString.Invariant($"kvshift: {preparation.LeftOutLines:N0} lines or rows are no documents and were left out:"));
        foreach (var line in preparation.FirstLeftOut ?? [])
        {
            Console.Error.WriteLine($"kvshift:   {line}");
        }

        if (preparation.LeftOutLines > (preparation.FirstLeftOut?.Count ?? 0))
        {
            Console.Error.WriteLine(FormattableString.Invariant(
                $"kvshift:   and {preparation.LeftOutLines - (preparation.FirstLeftOut?.Count ?? 0):N0} more"));
        }
    }

    private static string Describe(PreparationProgress now, PreparationProgress first, double seconds)
    {
        var done = now.TotalInputBytes == 0 ? 1 : Math.Clamp((double)now.InputBytes / now.TotalInputBytes, 0, 1);
        var full = (int)(done * BarWidth);
        var (bytes, text) = (now.InputBytes - first.InputBytes, now.TextBytes - first.TextBytes);
        var remaining = bytes > 0 ? Quantity.Duration(seconds * (now.TotalInputBytes - now.InputBytes) / bytes) : "-";
        var pace = text > 0 ? FormattableString.Invariant($"{text / 1e6 / seconds:0.0} MB/s, {remaining} left") : "no new ones yet";
        return FormattableString.Invariant(
            $"data: {new string('━', full)}{new string('┄', BarWidth - full)} {done * 100:0} %  {now.Documents:N0} documents, {Quantity.Short(now.Tokens)} tokens, {pace}");
    }

    /// <summary>What options say of the ids that end and begin documents.</summary>
    /// <param name="End">Token or id; null for the tokenizer's.</param>
    /// <param name="Begins">Whether documents begin with an id.</param>
    /// <param name="Begin">Token or id; null for the tokenizer's.</param>
    private sealed record DocumentMarks(string? End, bool Begins, string? Begin)
    {
        public PreparationOptions Resolve(TokenizerModel tokenizer, PreparationOptions options)
        {
            if (End is not null && !options.AppendEndOfText)
            {
                throw new UsageException("found --end-of-text and --no-end-of-text; wanted one of them at most");
            }

            var end = End is not null ? Find(tokenizer, "--end-of-text", End) : tokenizer.EndOfTextId;
            if (options.AppendEndOfText && end is null)
            {
                throw new UsageException($"{tokenizer.EndOfTextMissing}. Name it with --end-of-text TOKEN or ID, or leave it out with --no-end-of-text");
            }

            return options with { EndOfTextId = options.AppendEndOfText ? end : null, BeginOfTextId = Begins ? Beginning(tokenizer) : null };
        }

        private int Beginning(TokenizerModel tokenizer) => Begin is not null ? Find(tokenizer, "--begin-of-text", Begin)
            : tokenizer.BeginOfTextId ?? throw new UsageException($"{tokenizer.BeginOfTextMissing}. Name it with --begin-of-text TOKEN or ID");

        private static int Find(TokenizerModel tokenizer, string option, string tokenOrId)
        {
            try
            {
                return tokenizer.FindToken(tokenOrId);
            }
            catch (ArgumentException unknown)
            {
                throw new UsageException($"found {option} {tokenOrId}: {unknown.Message}");
            }
        }
    }
}
