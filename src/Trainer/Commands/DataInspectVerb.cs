using System.CommandLine;
using System.Globalization;
using KvShiftScale.Core;
using KvShiftScale.Data.Configuration;
using KvShiftScale.Data.Shards;
using KvShiftScale.Data.Tokenization;
using KvShiftScale.Trainer.Reporting;
using Spectre.Console;

namespace KvShiftScale.Trainer.Commands;

/// <summary><c>kvshift data inspect</c>: what a shard holds, for a person.</summary>
internal static class DataInspectVerb
{
    private const int SampleIds = 48;
    private const int ChartWidth = 72;

    public static Command Build()
    {
        var path = new Argument<string[]>("path") { Description = "Token shards: files, folders or globs.", Arity = ArgumentArity.OneOrMore };
        var tokenizer = new Option<string?>("--tokenizer") { Description = $"To show text instead of ids. {TokenizerOption.Description}" };
        var documents = new Option<int>("--documents") { Description = "First documents to show.", DefaultValueFactory = _ => 3 };
        var sizes = new DataConfig();
        var context = new Option<int>("--context") { Description = "Tokens of a row, as in data.context.", DefaultValueFactory = _ => sizes.Context };
        var batch = new Option<int>("--global-batch") { Description = "Rows of a step, as in data.global_batch.", DefaultValueFactory = _ => sizes.GlobalBatch };
        var command = new Command("inspect", "Schema, counts, document lengths and the first documents of shards.")
        {
            path, tokenizer, documents, context, batch,
        };
        command.SetAction(parsed => Run(parsed.GetRequiredValue(path), parsed.GetValue(tokenizer), parsed.GetValue(documents),
            sizes with { Context = parsed.GetValue(context), GlobalBatch = parsed.GetValue(batch) }));
        return command;
    }

    private static int Run(string[] paths, string? tokenizerPath, int documents, DataConfig sizes)
    {
        var tokenizer = tokenizerPath is null ? null : TokenizerModel.Load(tokenizerPath);
        var files = ShardFiles.Find(paths);
        DataNotices.Tell(files.LeftOut);
        foreach (var missing in ManifestCheck.MissingParts(files))
        {
            Console.Error.WriteLine($"kvshift: {missing}");
        }

        var path = string.Join(' ', paths);
        ShardInspection shards;
        using (var progress = new ProgressLine())
        {
            shards = ShardInspection.Read(files.Paths, path, documents, tokens => progress.Update(FormattableString.Invariant($"data: {tokens:N0} tokens read")));
        }
        if (tokenizer is not null && shards.TokenizerHashes.FirstOrDefault(hash => !tokenizer.IsNamedBy(hash)) is { } other)
        {
            Console.Error.WriteLine($"kvshift: {path} was made with tokenizer {other}, and {tokenizerPath} is {tokenizer.Hash}; the text below may be wrong");
        }

        var console = PlainConsole.Create();
        var facts = new Table().Border(TableBorder.None).HideHeaders().AddColumn("").AddColumn("");
        var lengths = shards.LengthSummary;
        Row(shards.FileCount == 1 ? "file" : "files",
            Format($"{(shards.FileCount == 1 ? "" : Format($"{shards.FileCount:N0} in "))}{shards.Path} ({shards.ByteCount:N0} bytes)"));
        Row("written by", Joined(shards.Writers));
        Row("tokenizer", Joined(shards.TokenizerHashes));
        Row("vocabulary", Joined([.. shards.VocabularySizes.Select(size => Format($"{size:N0}"))]));
        Row("row groups", Format($"{shards.RowGroups.Count:N0}"));
        Row("memory", Format($"{shards.PeakDecodedBytes / 1048576.0:F1} MiB to decode the largest row group"));
        Row("documents", Format($"{shards.DocumentCount:N0}{(lengths.Empty > 0 ? Format($", {lengths.Empty:N0} of them empty") : "")}"));
        Row("tokens", Format($"{shards.TokenCount:N0}{(shards.PaddingCount > 0 ? Format($"; {shards.PaddingCount:N0} ids of padding, by attention_mask, are left out") : "")}"));
        Row("a document", Format($"{lengths.Shortest:N0} to {lengths.Longest:N0} tokens, {lengths.Mean:N1} on average"));
        var rows = lengths.Longest / sizes.Context;
        Row("the longest", rows == 0
            ? Format($"fits a row of {sizes.Context:N0}")
            : Format($"fills {rows:N0} rows of {sizes.Context:N0}, {(double)rows / sizes.GlobalBatch:N1} steps of {sizes.GlobalBatch:N0} rows on end if rows were not mixed"));
        console.Write(facts);
        foreach (var schema in shards.Schemas)
        {
            console.WriteLine();
            console.WriteLine(schema.TrimEnd());
        }
        console.WriteLine();

        var chart = new BarChart().Width(ChartWidth).Label("documents by number of tokens").LeftAlignLabel();
        foreach (var bin in shards.Lengths)
        {
            chart.AddItem(bin.Shortest == bin.Longest ? Format($"{bin.Shortest}") : Format($"{bin.Shortest:N0} to {bin.Longest:N0}"), bin.Documents,
                Color.SteelBlue);
        }

        console.Write(chart);
        for (var i = 0; i < shards.FirstDocuments.Count; i++)
        {
            var ids = shards.FirstDocuments[i];
            var shown = ids.Take(SampleIds).ToArray();
            console.WriteLine();
            console.WriteLine(FormattableString.Invariant($"document {i}, {ids.Length:N0} tokens{(shown.Length < ids.Length ? ", the first " + SampleIds : "")}:"));
            console.WriteLine(tokenizer is null ? string.Join(' ', shown) : tokenizer.Decode(shown));
        }
        return ExitCode.Done;

        void Row(string name, string value) => facts.AddRow(new Text(name), new Text(value));

        static string Joined(IReadOnlyList<string> values) => values.Count == 0 ? "not stated" : string.Join(", ", values);

        static string Format(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
    }
}
