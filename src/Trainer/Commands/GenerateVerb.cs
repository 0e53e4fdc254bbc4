using System.CommandLine;
using System.Text;
using KvShiftScale.Core;
using KvShiftScale.Trainer.Generation;

namespace KvShiftScale.Trainer.Commands;

/// <summary><c>kvshift generate</c>: continues prompts.</summary>
internal static class GenerateVerb
{
    public static Command Build()
    {
        var model = new ModelChoice();
        var prompt = new Option<string>("--prompt") { Description = "Text to continue.", DefaultValueFactory = _ => "The" };
        var interactive = new Option<bool>("--interactive") { Description = "Continue each line of standard input, until it ends." };
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
            prompt, interactive, maxTokens, greedy, temperature, topP, seed, vanilla,
        };
        model.AddTo(command);
        command.SetAction(parsed =>
        {
            var options = new SamplingOptions(parsed.GetValue(maxTokens), parsed.GetValue(greedy), parsed.GetValue(temperature), parsed.GetValue(topP),
                parsed.GetValue(seed));
            var isInteractive = parsed.GetValue(interactive);
            return isInteractive && parsed.GetResult(prompt) is { Implicit: false }
                ? throw new UsageException("found --prompt and --interactive; wanted one of them: --interactive reads prompts from standard input")
                : Run(model.Resolve(parsed), isInteractive ? null : parsed.GetRequiredValue(prompt), options, parsed.GetValue(vanilla));
        });
        return command;
    }

    private static int Run(string folder, string? prompt, SamplingOptions options, bool vanilla)
    {
        // The last token generated is not fed back.
        using var model = TextModel.Load(folder, vanilla, ids => prompt is null ? long.MaxValue : TextGenerator.PromptIds(ids, prompt).Length + options.MaxTokens - 1L);
        var (generator, tokenizer) = (model.Generator, model.Tokenizer);
        // Text is UTF-8 whatever the terminal's language says, and each piece is shown at once.
        using var output = new StreamWriter(Console.OpenStandardOutput(), new UTF8Encoding(encoderShouldEmitUTF8Identifier: false)) { AutoFlush = true };
        if (prompt is not null)
        {
            Continue(generator, TextGenerator.PromptIds(tokenizer, prompt).Length, prompt, options, output);
            return ExitCode.Done;
        }

        Ask(output);
        for (; Console.In.ReadLine() is { } line; Ask(output))
        {
            if (line.Length == 0)
            {
                continue;
            }

            try
            {
                Continue(generator, TextGenerator.PromptIds(tokenizer, line).Length, line, options, output);
            }
            catch (UsageException tooLong)
            {
                // The next line may be one that fits.
                Console.Error.WriteLine($"kvshift: {tooLong.Message}");
            }
        }

        return ExitCode.Done;

        static void Ask(StreamWriter output)
        {
            if (!Console.IsInputRedirected)
            {
                output.Write("> ");
            }
        }
    }

    private static void Continue(TextGenerator generator, int promptTokens, string prompt, SamplingOptions options, StreamWriter output)
    {
        if (promptTokens > generator.Context)
        {
            throw new UsageException($"found a --prompt of {promptTokens} tokens; wanted at most {generator.Context}, the model's context");
        }

        output.Write(prompt);
        foreach (var text in generator.Generate(prompt, options))
        {
            output.Write(text);
        }

        output.Write('\n');
        if (generator.End == GenerationEnd.Context)
        {
            Console.Error.WriteLine($"kvshift: the text ends with the model's context of {generator.Context} tokens");
        }
    }
}
