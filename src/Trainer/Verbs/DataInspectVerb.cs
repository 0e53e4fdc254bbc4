using System.CommandLine;
using System.Globalization;
using KvShiftScale.Data;
using KvShiftScale.Data.Tokenization;
using KvShiftScale.Trainer.Reporting;
using Spectre.Console;

namespace KvShiftScale.Trainer.Verbs;

/// <summary><c>kvshift data inspect</c>: what a shard holds, for a person.</summary>
internal static class DataInspectVerb
{
    private const int SampleIds = 48;

    public static Command Build()
    {
        var path = new Argument<string>("file") { Description = "A token shard." };
        var tokenizer = new Option<string?>("--tokenizer") { Description = "Tokenizer folder or tokenizer.json, to show text instead of ids." };
        var command = new Command("inspect", "Schema, counts, document lengths and the first documents of a shard.") { path, tokenizer };
        command.SetAction(parsed => Run(parsed.GetRequiredValue(path), parsed.GetValue(tokenizer)));
        return command;
    }

    private static int Run(string path, string? tokenizerPath)
    {
        if (!File.Exists(path)) throw new UsageException($"found no file {path}; wanted a token shard");
        var shard = ShardInspection.Read(path);
        var tokenizer = tokenizerPath is null ? null : TokenizerModel.Load(tokenizerPath);
        if (tokenizer is not null && shard.TokenizerHash is { } hash && hash != tokenizer.Hash)
            Console.Error.WriteLine($"kvshift: {path} was made with tokenizer {hash}, and {tokenizerPath} is {tokenizer.Hash}; the text below may be wrong");

        var console = PlainConsole.Create();
        var facts = new Table().Border(TableBorder.None).HideHeaders().AddColumn("").AddColumn("");
        Row("file", $"{shard.Path} ({shard.ByteCount.ToString("N0", CultureInfo.InvariantCulture)} bytes)");
        Row("written by", shard.Writer ?? "unknown");
        Row("tokenizer", shard.TokenizerHash ?? "not stated");
        Row("vocabulary", shard.VocabularySize?.ToString("N0", CultureInfo.InvariantCulture) ?? "not stated");
        Row("row groups", shard.RowGroups.Count.ToString("N0", CultureInfo.InvariantCulture));
        Row("memory", FormattableString.Invariant($"{shard.PeakDecodedBytes / 1048576.0:F1} MiB to decode the largest row group"));
        Row("documents", shard.DocumentCount.ToString("N0", CultureInfo.InvariantCulture));
        Row("tokens", shard.TokenCount.ToString("N0", CultureInfo.InvariantCulture));
        console.Write(facts);
        console.WriteLine();
        console.WriteLine(shard.Schema.TrimEnd());
        console.WriteLine();

        var lengths = new BarChart().Width(72).Label("documents by number of tokens").LeftAlignLabel();
        foreach (var bin in shard.Lengths)
            lengths.AddItem(FormattableString.Invariant($"{bin.Shortest:N0} to {bin.Longest:N0}"), bin.Documents, Color.SteelBlue);
        console.Write(lengths);
        for (var i = 0; i < shard.FirstDocuments.Count; i++)
        {
            var ids = shard.FirstDocuments[i];
            var shown = ids.Take(SampleIds).ToArray();
            console.WriteLine();
            console.WriteLine(FormattableString.Invariant($"document {i}, {ids.Length:N0} tokens{(shown.Length < ids.Length ? ", the first " + SampleIds : "")}:"));
            console.WriteLine(tokenizer is null ? string.Join(' ', shown) : tokenizer.Decode(shown));
        }
        return ExitCode.Done;

        void Row(string name, string value) => facts.AddRow(new Text(name), new Text(value));
    }
}
