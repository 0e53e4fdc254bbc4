using System.CommandLine;
using KvShiftScale.Core;
using KvShiftScale.Core.Files;
using KvShiftScale.Core.Text;
using KvShiftScale.Data.Configuration;
using KvShiftScale.Data.Preparation;
using KvShiftScale.Data.Shards;
using KvShiftScale.Data.Tokenization;
using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.Planning;

namespace KvShiftScale.Trainer.Commands;

/// <summary><c>kvshift new</c>: a first configuration for given data.</summary>
internal static class NewVerb
{
    // Larger models want more than the processors of one machine; --parameters asks for them.
    private const long MostParametersByItself = 40_000_000;

    public static Command Build()
    {
        var name = new Argument<string>("name") { Description = "Name of the run; the file is NAME.yaml." };
        var data = new Option<string>("--data")
        {
            Description = "Token shards: a file, folder or glob; or a folder that has train/, and perhaps validation/ and tokenizer/.",
            Required = true,
        };
        var validation = new Option<string?>("--validation") { Description = "Token shards to validate on." };
        var tokenizer = new Option<string?>("--tokenizer") { Description = "The tokenizer that made the shards." };
        var parameters = new Option<string?>("--parameters") { Description = "Size of the model without embedding and head: 5M, 1.5B. By default what the data are enough for." };
        var tokens = new Option<string?>("--tokens") { Description = "How many to train on: 100M, 2B. All of the data once by default." };
        var output = new Option<string?>("--output") { Description = "The file to write; it must not exist." };
        var command = new Command("new", "Writes a commented configuration for the data given.") { name, data, validation, tokenizer, parameters, tokens, output };
        command.SetAction(parsed => Run(parsed.GetRequiredValue(name), Paths(parsed.GetRequiredValue(data), parsed.GetValue(validation), parsed.GetValue(tokenizer)),
            Number("--parameters", parsed.GetValue(parameters)), Number("--tokens", parsed.GetValue(tokens)),
            parsed.GetValue(output) ?? $"{parsed.GetRequiredValue(name)}.yaml"));
        return command;
    }

    private static int Run(string name, (string Train, string? Validation, string? Tokenizer) paths, long? parameters, long? tokens, string output)
    {
        if (!RunConfigRules.IsFolderName(name))
        {
            throw new UsageException($"found the name '{name}'; wanted letters, digits, dots, hyphens and underscores, a letter or a digit first: kvshift new my-run");
        }

        if (Path.GetDirectoryName(Path.GetFullPath(output)) is not { } folder || !Directory.Exists(folder))
        {
            throw new UsageException($"found --output {output}; wanted a file in a folder that exists");
        }

        if (File.Exists(output) || Directory.Exists(output))
        {
            throw new UsageException($"found {output}; wanted a file that does not exist yet: remove it, or name another with --output");
        }

        var shards = Open("--data", paths.Train);
        _ = paths.Validation is null ? null : Open("--validation", paths.Validation);
        var data = new StarterData(paths.Train, paths.Validation, TokenizerOf(shards, paths), shards.VocabularySize ?? throw new UsageException(
            $"found no vocabulary in {paths.Train}; wanted shards of 'kvshift data prepare'. For other files write model.vocab_size into a configuration yourself: kvshift config"),
            tokens ?? shards.TokenCount);
        var starter = parameters is { } wish ? StarterConfig.Nearest(wish) : StarterConfig.For(data.Tokens, MostParametersByItself);
        var yaml = starter.Yaml(name, data);
        // What this verb writes, train takes.
        RunConfigRules.Check(RunConfigReader.Parse(yaml, output, []), ranks: 1);
        DurableFile.Replace(output, yaml);
        Console.WriteLine(Quantity.Format(
            $"{output}: {starter.Shape.Layers} layers of {starter.Shape.HiddenSize}, {Quantity.Short(starter.Parameters)} parameters without embedding and head; {starter.Steps(data.Tokens):N0} steps over {Quantity.Short(data.Tokens)} tokens ({Quantity.Short(shards.TokenCount)} in the data)"));
        if (data.Validation is null)
        {
            Console.Error.WriteLine("kvshift: no validation data: --validation names some; 'data prepare --validation 1%' sets some apart");
        }

        Console.WriteLine($"next: ./launch/train --ranks {Math.Max(1, Math.Min(starter.GlobalBatch / starter.MicroBatch, PowerOfTwo(Environment.ProcessorCount)))} {output}");
        return ExitCode.Done;
    }

    private static (string Train, string? Validation, string? Tokenizer) Paths(string data, string? validation, string? tokenizer)
    {
        var isWhole = Directory.Exists(Path.Combine(data, CorpusFolder.Training));
        return (isWhole ? Path.Combine(data, CorpusFolder.Training) : data,
            validation ?? (isWhole && Directory.Exists(Path.Combine(data, CorpusFolder.Validation)) ? Path.Combine(data, CorpusFolder.Validation) : null),
            tokenizer ?? Below(data) ?? Below(Path.GetDirectoryName(Path.TrimEndingDirectorySeparator(data)) ?? ""));

        static string? Below(string folder) => Directory.Exists(Path.Combine(folder, CorpusFolder.Tokenizer)) ? Path.Combine(folder, CorpusFolder.Tokenizer) : null;
    }

    private static ShardCatalog Open(string option, string path)
    {
        try
        {
            return ShardCatalog.Open([new DataSource(path)]);
        }
        catch (FileNotFoundException missing)
        {
            throw new UsageException($"found nothing for {option} {path}: {missing.Message}");
        }
    }

    private static string? TokenizerOf(ShardCatalog shards, (string Train, string? Validation, string? Tokenizer) paths)
    {
        if (paths.Tokenizer is null)
        {
            Console.Error.WriteLine("kvshift: no tokenizer found beside the shards: --tokenizer names it; without one a run has no sample and its checkpoints generate no text");
            return null;
        }

        return shards.TokenizerHash is not { } hash || TokenizerModel.Load(paths.Tokenizer).IsNamedBy(hash) ? paths.Tokenizer : throw new UsageException(
            $"found the tokenizer {paths.Tokenizer}, which is not that of {shards.TokenizerSource} ({hash}); wanted the one that made the shards: --tokenizer names it");
    }

    private static long? Number(string option, string? text)
    {
        if (text is null)
        {
            return null;
        }

        var unit = text.Length > 0 ? char.ToUpperInvariant(text[^1]) switch { 'K' => 1e3, 'M' => 1e6, 'B' or 'G' => 1e9, 'T' => 1e12, _ => 0 } : 0;
        return NumberText.TryReal(unit > 0 ? text[..^1] : text, out var number) && number * Math.Max(1, unit) is >= 1 and <= 1e15 and var value
            ? (long)value : throw new UsageException($"found {option} {text}; wanted a number such as 5M or 1.5B");
    }

    private static int PowerOfTwo(int atMost) => 1 << (int)Math.Log2(atMost);
}
