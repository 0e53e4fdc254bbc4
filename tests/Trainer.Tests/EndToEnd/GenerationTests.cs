using KvShiftScale.Checkpoints.ModelFolders;
using KvShiftScale.Core;
using KvShiftScale.Data.Tokenization;
using KvShiftScale.Models.Layout;
using KvShiftScale.Testing;
using KvShiftScale.Trainer.Generation;
using static TorchSharp.torch;

namespace KvShiftScale.Trainer.Tests.EndToEnd;

[Collection(nameof(EndToEndGroup))]
public sealed class GenerationTests(TrainingFixture fixture)
{
    private const string Prompt = "the shift of";

    [Fact]
    public void GreedyTextIsAlwaysTheSame()
    {
        var text = Generate("--greedy");

        Assert.Equal(text, Generate("--temperature", "0", "--seed", "7", "--top-p", "0.3"));
    }

    [Fact]
    public void SeedDecidesTheText()
    {
        var text = Generate("--seed", "7", "--temperature", "2");

        Assert.Equal(text, Generate("--seed", "7", "--temperature", "2"));
        Assert.NotEqual(text, Generate("--seed", "8", "--temperature", "2"));
    }

    [Fact]
    public void GreedyTextIsThatOfRecomputingEverything()
    {
        var tokenizer = TokenizerModel.Load(fixture.ModelPath);
        using var model = ModelSource.Read(fixture.ModelPath);
        List<int> ids = [.. tokenizer.Encode(Prompt)];
        for (var count = 0; count < 24; count++)
        {
            using var scope = NewDisposeScope();
            using var mode = no_grad();
            var positions = tensor(Enumerable.Range(0, ids.Count).ToArray());
            var logits = model.Logits(tensor(ids.ToArray()), new TokenLayout(1, ids.Count, positions));
            var next = (int)logits.narrow(0, ids.Count - 1, 1).argmax(1).item<long>();
            if (next == tokenizer.EndOfTextId)
            {
                break;
            }

            ids.Add(next);
        }

        Assert.Equal(Prompt + tokenizer.Decode(ids.Skip(tokenizer.Encode(Prompt).Length)) + "\n", Generate("--greedy"));
    }

    [Fact]
    public void LongPromptsFedInPiecesGiveTheSameIds()
    {
        // 300 tokens are three pieces of a prompt; a context of that size is not what was trained, which greedy ids do not mind.
        var tokenizer = TokenizerModel.Load(fixture.ModelPath);
        using var model = ModelSource.Read(fixture.ModelPath, context: 320);
        var prompt = Enumerable.Range(0, 300).Select(i => i * 37 % 250).ToArray();
        var found = new TextGenerator(model, tokenizer).GenerateIds(prompt, new SamplingOptions(8, true, 1, 1, 1)).ToArray();

        using var scope = NewDisposeScope();
        using var mode = no_grad();
        List<int> ids = [.. prompt];
        for (var count = 0; count < found.Length; count++)
        {
            var logits = model.Logits(tensor(ids.ToArray()), new TokenLayout(1, ids.Count, tensor(Enumerable.Range(0, ids.Count).ToArray())));
            ids.Add((int)logits.narrow(0, ids.Count - 1, 1).argmax(1).item<long>());
        }

        Assert.NotEmpty(found);
        Assert.Equal(ids.Skip(300), found);
    }

    [Fact]
    public void TextEndsWithTheContextAndSaysSo()
    {
        using var folder = new TemporaryFolder();
        var model = WithoutEnd(folder.PathOf("model"));

        using var run = ProgramRun.Execute(ExitCode.Done, ["generate", "--model", model, "--prompt", Prompt, "--max-tokens", "500", "--greedy"]);

        Assert.Contains("the model's context of 48 tokens", run.Error);
        using var short_ = ProgramRun.Execute(ExitCode.Done, ["generate", "--model", model, "--prompt", Prompt, "--max-tokens", "5", "--greedy"]);
        Assert.Equal("", short_.Error);
        Assert.StartsWith(short_.Output.TrimEnd('\n'), run.Output);
    }

    [Fact]
    public void StopIdsEndTheText()
    {
        using var folder = new TemporaryFolder();
        var model = WithoutEnd(folder.PathOf("model"));
        var tokenizer = TokenizerModel.Load(model);
        using var whole = ProgramRun.Execute(ExitCode.Done, ["generate", "--model", model, "--prompt", Prompt, "--max-tokens", "12", "--greedy"]);
        using (var built = ModelSource.Read(model))
        {
            var ids = new TextGenerator(built, tokenizer).GenerateIds(tokenizer.Encode(Prompt), new SamplingOptions(12, true, 1, 1, 1)).ToArray();
            // The first id that differs from those before it ends the text where it stands.
            var end = Array.FindIndex(ids, 1, id => id != ids[0]);
            File.WriteAllText(Path.Combine(model, "generation_config.json"), $$"""{ "eos_token_id": [{{ids[end]}}] }""");

            using var stopped = ProgramRun.Execute(ExitCode.Done, ["generate", "--model", model, "--prompt", Prompt, "--max-tokens", "12", "--greedy"]);

            Assert.Equal(Prompt + tokenizer.Decode(ids.Take(end)) + "\n", stopped.Output);
            Assert.NotEqual(whole.Output, stopped.Output);
            Assert.Equal("", stopped.Error);
        }
    }

    [Fact]
    public void PromptIsWrittenAsUtf8WhateverTheLanguage()
    {
        using var run = ProgramRun.Execute(ExitCode.Done, ["generate", "--model", fixture.ModelPath, "--prompt", "naïve 漢字 🙂", "--max-tokens", "2", "--greedy"]);

        Assert.StartsWith("naïve 漢字 🙂", run.Output);
    }

    [Fact]
    public void PromptBeyondTheContextIsRefused()
    {
        var run = CommandRun.Execute(ExitCode.Usage,
            "generate", "--model", fixture.ModelPath, "--prompt", string.Join(' ', Enumerable.Repeat("zebra", 60)), "--max-tokens", "2");

        Assert.Contains("wanted at most 48", run.Error);
    }

    [Fact]
    public void TokenizerOfAnotherModelIsRefused()
    {
        using var folder = new TemporaryFolder();
        var model = ReferenceFiles.Copy("kvshift", folder.PathOf("model"));
        foreach (var file in Directory.GetFiles(fixture.TokenizerPath))
        {
            File.Copy(file, Path.Combine(model, Path.GetFileName(file)));
        }

        var run = CommandRun.Execute(ExitCode.Usage, "generate", "--model", model, "--prompt", Prompt);

        Assert.Contains("the model knows ids below 97", run.Error);
    }

    // The trained model, made never to give end-of-text: with a row of zeros its logit is 0, and after training another is always larger.
    private string WithoutEnd(string destination)
    {
        var tokenizer = TokenizerModel.Load(fixture.ModelPath);
        Directory.CreateDirectory(destination);
        using var model = ModelSource.Read(fixture.ModelPath);
        using (no_grad())
        using (NewDisposeScope())
        {
            var head = model.Parameters.Slots.Single(slot => slot.Name == "lm_head.weight").Parameter;
            head.narrow(0, tokenizer.EndOfTextId!.Value, 1).fill_(0);
        }
        WrittenModel.Write(destination, model, fixture.TokenizerPath);
        return destination;
    }

    // The prompt comes first, and at least one token of the model's after it.
    private string Generate(params string[] options)
    {
        using var run = ProgramRun.Execute(ExitCode.Done, ["generate", "--model", fixture.ModelPath, "--prompt", Prompt, "--max-tokens", "24", .. options]);
        Assert.StartsWith(Prompt, run.Output);
        Assert.NotEqual(Prompt, run.Output.TrimEnd('\n'));
        return run.Output;
    }
}
