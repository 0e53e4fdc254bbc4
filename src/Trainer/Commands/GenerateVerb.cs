using System.CommandLine;
using System.Text;
using KvShiftScale.Checkpoints.ModelFolders;
using KvShiftScale.Core;
using KvShiftScale.Data.Tokenization;
using KvShiftScale.Trainer.Generation;
using KvShiftScale.Trainer.Launch;

namespace KvShiftScale.Trainer.Commands;

/// <summary><c>kvshift generate</c>: continues a prompt.</summary>
internal static class GenerateVerb
{
    public static Command Build()
    {
        var model = new Option<string>("--model") { Description = "Model folder or checkpoint.", Required = true };
        var prompt = new Option<string>("--prompt") { Description = "Text to continue.", Required = true };
        var maxTokens = new Option<int>("--max-tokens") { Description = "Most tokens to generate.", DefaultValueFactory = _ => 128 };
        var greedy = new Option<bool>("--greedy") { Description = "Always take the most likely token." };
        var temperature = new Option<double>("--temperature")
        {
            Description = "Divides the logits; 0 always takes the most likely token.",
            DefaultValueFactory = _ => 0.8
        };
        var topP = new Option<double>("--top-p") { Description = "Share of the probability mass to sample from.", DefaultValueFactory = _ => 0.95 };
        var seed = new Option<long>("--seed") { Description = "Seed of the draws.", DefaultValueFactory = _ => 1 };
        var vanilla = new Option<bool>("--vanilla") { Description = "Leave the KV shift out." };
        var command = new Command("generate", "Continues a prompt, token by token.")
        {
            model, prompt, maxTokens, greedy, temperature, topP, seed, vanilla,
        };
        command.SetAction(parsed => Run(parsed.GetRequiredValue(model), parsed.GetRequiredValue(prompt),
            new SamplingOptions(parsed.GetValue(maxTokens), parsed.GetValue(greedy), parsed.GetValue(temperature), parsed.GetValue(topP),
                parsed.GetValue(seed)),
            parsed.GetValue(vanilla)));
        return command;
    }

    private static int Run(string folder, string prompt, SamplingOptions options, bool vanilla)
    {
        if (!Directory.Exists(folder))
        {
            throw new UsageException($"found no folder {folder} for --model; wanted a model folder or a checkpoint of a run");
        }

        TensorLibrary.Load();
        using var source = ModelSource.Open(folder);
        var tokenizer = TokenizerModel.Load(folder);
        if (source.Note is { } note && !vanilla)
        {
            Console.Error.WriteLine($"kvshift: {note}");
        }

        ComputeThreads.Set(configured: 0);
        // The last token generated is not fed back. Tables and caches need no more room than this text.
        var promptTokens = TextGenerator.PromptIds(tokenizer, prompt).Length;
        using var model = source.Build(vanilla, (int)Math.Min(source.Description.Context, promptTokens + options.MaxTokens - 1L));
        if (promptTokens > model.Context)
        {
            throw new UsageException(
                $"found a --prompt of {promptTokens} tokens; wanted at most {model.Context}, the model's context");
        }

        var generator = new TextGenerator(model, tokenizer, TokenIds.EndsOf(folder, source.Description));
        // Text is UTF-8 whatever the terminal's language says, and each piece is shown at once.
        using var output = new StreamWriter(Console.OpenStandardOutput(),
            new UTF8Encoding(encoderShouldEmitUTF8Identifier: false))
        { AutoFlush = true };
        output.Write(prompt);
        foreach (var text in generator.Generate(prompt, options))
        {
            output.Write(text);
        }

        output.Write('\n');
        if (generator.End == GenerationEnd.Context)
        {
            Console.Error.WriteLine($"kvshift: the text ends with the model's context of {source.Description.Context} tokens");
        }

        return ExitCode.Done;
    }
}
