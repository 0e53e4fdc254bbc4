using System.CommandLine;
using KvShiftScale.Data.Tokenization;
using KvShiftScale.Trainer.Generation;
using KvShiftScale.Trainer.Launch;
using KvShiftScale.Trainer.ModelFiles;

namespace KvShiftScale.Trainer.Verbs;

/// <summary><c>kvshift generate</c>: continues a prompt.</summary>
internal static class GenerateVerb
{
    public static Command Build(RankEnvironment launch)
    {
        var model = new Option<string>("--model") { Description = "Model folder or checkpoint.", Required = true };
        var prompt = new Option<string>("--prompt") { Description = "Text to continue.", Required = true };
        var maxTokens = new Option<int>("--max-tokens") { Description = "Most tokens to generate.", DefaultValueFactory = _ => 128 };
        var greedy = new Option<bool>("--greedy") { Description = "Always take the most likely token." };
        var temperature = new Option<double>("--temperature") { Description = "Divides the logits; above 0.", DefaultValueFactory = _ => 0.8 };
        var topP = new Option<double>("--top-p") { Description = "Share of the probability mass to sample from.", DefaultValueFactory = _ => 0.95 };
        var seed = new Option<long>("--seed") { Description = "Seed of the draws.", DefaultValueFactory = _ => 1 };
        var vanilla = new Option<bool>("--vanilla") { Description = "Leave the KV shift out." };
        var command = new Command("generate", "Continues a prompt, token by token.") { model, prompt, maxTokens, greedy, temperature, topP, seed, vanilla };
        command.SetAction(parsed => Run(launch, parsed.GetRequiredValue(model), parsed.GetRequiredValue(prompt),
            new SamplingOptions(parsed.GetValue(maxTokens), parsed.GetValue(greedy), parsed.GetValue(temperature), parsed.GetValue(topP),
                parsed.GetValue(seed)),
            parsed.GetValue(vanilla)));
        return command;
    }

    private static int Run(RankEnvironment launch, string folder, string prompt, SamplingOptions options, bool vanilla)
    {
        if (options.MaxTokens < 1) throw new UsageException($"found --max-tokens {options.MaxTokens}; wanted at least 1");
        if (!(options.Temperature > 0)) throw new UsageException($"found --temperature {options.Temperature}; wanted a number above 0, or --greedy");
        if (!(options.TopP is > 0 and <= 1)) throw new UsageException($"found --top-p {options.TopP}; wanted a number above 0 and at most 1");
        if (!Directory.Exists(folder)) throw new UsageException($"found no folder {folder} for --model; wanted a model folder or a checkpoint of a run");

        ComputeThreads.Set(launch, configured: 0);
        using var model = ModelFolder.Read(folder, vanilla);
        var tokenizer = TokenizerModel.Load(folder);
        Console.Write(prompt);
        foreach (var text in new TextGenerator(model, tokenizer).Generate(prompt, options))
        {
            Console.Write(text);
            Console.Out.Flush();
        }
        Console.WriteLine();
        return ExitCode.Done;
    }
}
