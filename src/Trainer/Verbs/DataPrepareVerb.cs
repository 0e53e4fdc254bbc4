using System.CommandLine;
using System.Diagnostics;
using KvShiftScale.Data.Preparation;
using KvShiftScale.Data.Text;
using KvShiftScale.Data.Tokenization;
using KvShiftScale.Trainer.Launch;
using KvShiftScale.Trainer.Reporting;

namespace KvShiftScale.Trainer.Verbs;

/// <summary><c>kvshift data prepare</c>: text to token shards.</summary>
internal static class DataPrepareVerb
{
    private const int BarWidth = 24;

    public static Command Build()
    {
        var input = new Option<string[]>("--input")
        {
            Description = "Text, Markdown, JSON lines or .NET documentation XML, plain, .gz or .zst; folders, and globs with * and **.",
            Required = true,
            AllowMultipleArgumentsPerToken = true,
        };
        var tokenizer = new Option<string>("--tokenizer") { Description = "Tokenizer folder, tokenizer.json or .tiktoken file.", Required = true };
        var output = new Option<string>("--output") { Description = "Folder for the shards.", Required = true };
        var field = new Option<string>("--field")
        {
            Description = "Field of JSON lines that holds the text.",
            DefaultValueFactory = _ => TextDocuments.DefaultField
        };
        var noEndOfText = new Option<bool>("--no-end-of-text") { Description = "Do not end documents with the end-of-text id." };
        var shardTokens = new Option<long>("--shard-tokens") { Description = "Tokens of one shard.", DefaultValueFactory = _ => 64L << 20 };
        var threads = new Option<int>("--threads") { Description = "Threads that tokenize; 0 for as many as there are cores." };
        var command = new Command("prepare",
            "Tokenizes text into Parquet shards, one row a document, in the input's order; goes on where it was interrupted.")
        {
            input, tokenizer, output, field, noEndOfText, shardTokens, threads,
        };
        command.SetAction(parsed => Run(parsed.GetRequiredValue(input), parsed.GetRequiredValue(tokenizer), parsed.GetRequiredValue(output),
            Options(parsed.GetValue(field)!, !parsed.GetValue(noEndOfText), parsed.GetValue(shardTokens), parsed.GetValue(threads))));
        return command;
    }

    private static PreparationOptions Options(string field, bool appendEndOfText, long shardTokens, int threads)
    {
        MachineRules.CheckThreads("--threads", threads);
        if (field.Length == 0)
        {
            throw new UsageException("found an empty --field; wanted the name of the field that holds the text");
        }

        return new PreparationOptions
        {
            Field = field,
            AppendEndOfText = appendEndOfText,
            ShardTokens = shardTokens,
            Workers = threads == 0 ? Environment.ProcessorCount : threads,
        };
    }

    private static int Run(string[] input, string tokenizerPath, string output, PreparationOptions options)
    {
        var tokenizer = TokenizerModel.Load(tokenizerPath);
        using var line = new ProgressLine();
        var start = Stopwatch.GetTimestamp();
        PreparationProgress? first = null;
        PreparationResult result;
        try
        {
            result = new CorpusPreparation(tokenizer, options).Run(input, output, progress =>
            {
                first ??= progress;
                line.Update(Describe(progress, first.Value, Stopwatch.GetElapsedTime(start).TotalSeconds));
            });
        }
        catch (PreparationConflictException conflict)
        {
            throw new UsageException(conflict.Message);
        }

        var manifest = result.Manifest;
        var resumed = result.ShardsBefore > 0 ? FormattableString.Invariant($", going on after {result.ShardsBefore:N0} shards") : "";
        line.Done(FormattableString.Invariant(result.WasFinished
            ? (FormattableString)$"data: {output} is finished: {manifest.Rows:N0} documents, {manifest.Tokens:N0} tokens; remove it to prepare it again"
            : $"data: {manifest.Rows:N0} documents, {manifest.Tokens:N0} tokens in {manifest.Files.Count:N0} shards of {output}{resumed}"));
        return ExitCode.Done;
    }

    private static string Describe(PreparationProgress now, PreparationProgress first, double seconds)
    {
        var done = now.TotalInputBytes == 0 ? 1 : Math.Clamp((double)now.InputBytes / now.TotalInputBytes, 0, 1);
        var full = (int)(done * BarWidth);
        // What an earlier launch did, and is only passed over, is no measure of speed.
        var (bytes, text) = (now.InputBytes - first.InputBytes, now.TextBytes - first.TextBytes);
        var remaining = bytes > 0 ? Quantity.Duration(seconds * (now.TotalInputBytes - now.InputBytes) / bytes) : "-";
        return FormattableString.Invariant(
            $"data: {new string('━', full)}{new string('┄', BarWidth - full)} {done * 100:0} %  {now.Documents:N0} documents, {Quantity.Short(now.Tokens)} tokens, {text / 1e6 / seconds:0.0} MB/s, {remaining} left");
    }
}
