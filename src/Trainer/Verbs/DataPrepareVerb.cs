using System.CommandLine;
using KvShiftScale.Data;
using KvShiftScale.Data.Text;
using KvShiftScale.Data.Tokenization;

namespace KvShiftScale.Trainer.Verbs;

/// <summary><c>kvshift data prepare</c>: text to token shards.</summary>
internal static class DataPrepareVerb
{
    public static Command Build()
    {
        var input = new Option<string[]>("--input")
        {
            Description = "Text, Markdown, JSON lines or .NET documentation XML, plain or .gz; globs with * and **.",
            Required = true,
            AllowMultipleArgumentsPerToken = true,
        };
        var tokenizer = new Option<string>("--tokenizer") { Description = "Tokenizer folder, tokenizer.json or .tiktoken file.", Required = true };
        var output = new Option<string>("--output") { Description = "Folder for the shards.", Required = true };
        var field = new Option<string>("--field") { Description = "Field of JSON lines that holds the text.", DefaultValueFactory = _ => TextDocuments.DefaultField };
        var noEndOfText = new Option<bool>("--no-end-of-text") { Description = "Do not end documents with the end-of-text id." };
        var shardTokens = new Option<long>("--shard-tokens") { Description = "Tokens of one shard.", DefaultValueFactory = _ => 64L << 20 };
        var command = new Command("prepare", "Tokenizes text into Parquet shards, one row a document, in the input's order.")
        {
            input, tokenizer, output, field, noEndOfText, shardTokens,
        };
        command.SetAction(parsed => Run(parsed.GetRequiredValue(input), parsed.GetRequiredValue(tokenizer), parsed.GetRequiredValue(output),
            parsed.GetValue(field)!, !parsed.GetValue(noEndOfText), parsed.GetValue(shardTokens)));
        return command;
    }

    private static int Run(string[] input, string tokenizerPath, string output, string field, bool appendEndOfText, long shardTokens)
    {
        if (shardTokens < 1) throw new UsageException($"found --shard-tokens {shardTokens}; wanted at least 1");
        if (File.Exists(Path.Combine(output, ShardManifest.FileName)))
        {
            // A finished folder is left as it is, so that the command may be repeated.
            var done = ShardManifest.Read(output);
            if (done.Tokenizer != TokenizerModel.Load(tokenizerPath).Hash)
            {
                throw new UsageException(
                    $"found finished shards of tokenizer {done.Tokenizer} in {output}; wanted those of {tokenizerPath}. Remove the folder, or choose another --output");
            }
            Console.Error.WriteLine(FormattableString.Invariant(
                $"data: {output} is finished: {done.Rows:N0} documents, {done.Tokens:N0} tokens; remove it to prepare it again"));
            return ExitCode.Done;
        }

        var tokenizer = TokenizerModel.Load(tokenizerPath);
        using var progress = new ProgressLine();
        using var writer = new ShardFolderWriter(output, "shard", shardTokens,
            new ShardWriterOptions { TokenizerHash = tokenizer.Hash, VocabularySize = tokenizer.VocabularySize });
        var pipeline = new TokenizationPipeline(tokenizer, new TokenizationOptions { AppendEndOfText = appendEndOfText });
        var total = pipeline.Run(TextDocuments.Read(input, field), writer, soFar => progress.Update("data: " + Describe(soFar)));
        writer.Complete();
        progress.Done($"data: {Describe(total)} in {output}");
        return ExitCode.Done;
    }

    private static string Describe(TokenizationProgress progress) => FormattableString.Invariant(
        $"{progress.Documents:N0} documents, {progress.Characters / 1e6:F1} M characters, {progress.Tokens:N0} tokens");
}
