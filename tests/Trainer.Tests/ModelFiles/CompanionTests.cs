using System.Text.Json.Nodes;
using KvShiftScale.Core;
using KvShiftScale.Data.Tokenization;
using KvShiftScale.Testing;
using KvShiftScale.Trainer.Tests.EndToEnd;

namespace KvShiftScale.Trainer.Tests.ModelFiles;

/// <summary>
/// What readers of a model folder take for granted beside the weights: which tokens begin and end a text stands in config.json,
/// tokenizer_config.json and generation_config.json, and what a folder had is there again when it is written.
/// </summary>
[Collection(nameof(EndToEndGroup))]
public sealed class CompanionTests(TrainingFixture fixture) : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("checkpoint")]
    [InlineData("convert")]
    [InlineData("convert to llama")]
    [InlineData("export")]
    public void ARunsModelStatesTheIdsOfItsTokenizer(string kind)
    {
        var output = _folder.PathOf("out");
        switch (kind)
        {
            case "convert":
                Do("model", "convert", "--model", fixture.ModelPath, "--output", output);
                break;
            case "convert to llama":
                Do("model", "convert", "--model", fixture.ModelPath, "--output", output, "--naming", "llama", "--vanilla");
                break;
            case "export":
                Do("checkpoint", "export", fixture.OneRank.Path, "--output", output);
                break;
            default:
                output = fixture.ModelPath;
                break;
        }

        var tokenizer = TokenizerModel.Load(fixture.TokenizerPath);
        foreach (var file in (string[])["config.json", "generation_config.json"])
        {
            var json = Json(output, file);
            Assert.Equal(tokenizer.EndOfTextId, (int)json["eos_token_id"]!);
            // Llama's class takes 1 where the key is not there.
            Assert.True(json.ContainsKey("bos_token_id"));
            Assert.Null(json["bos_token_id"]);
        }

        var use = Json(output, "tokenizer_config.json");
        Assert.Equal("<|endoftext|>", (string?)use["eos_token"]);
        Assert.True(use.ContainsKey("bos_token"));
        Assert.Equal(48, (int)use["model_max_length"]!);
        Assert.Equal(tokenizer.Hash, TokenizerModel.Load(output).Hash);
    }

    [Fact]
    public void AModelWithoutATokenizerStatesThatItKnowsOfNoIds()
    {
        Do("model", "convert", "--model", ReferenceFiles.PathOf("kvshift"), "--output", _folder.PathOf("out"));

        Assert.True(Json("out", "config.json").ContainsKey("eos_token_id"));
        Assert.Null(Json("out", "config.json")["eos_token_id"]);
        Assert.False(File.Exists(_folder.PathOf("out", "tokenizer_config.json")));
    }

    [Theory]
    [InlineData("kvshift")]
    [InlineData("llama")]
    [InlineData("hf")]
    public void WhatAFolderHadIsThereWhenItIsWrittenAgain(string naming)
    {
        var source = Dressed("source");

        Do(["model", "convert", "--model", source, "--output", _folder.PathOf("out"), "--naming", naming, .. naming == "llama" ? ["--vanilla"] : Array.Empty<string>()]);

        AssertDressed("out");
    }

    [Fact]
    public void WhatAnImportedFolderHadIsInCheckpointsOfTheRunAndInItsExport()
    {
        var source = Dressed("source");
        var run = fixture.RunOf("dressed");
        Do("checkpoint", "import", "--model", source, "--run", run.Path);
        AssertDressed(run.Checkpoint(0));

        // The run names the tokenizer alone, as it lies elsewhere.
        fixture.Train("dressed", "run.steps=1", "run.validate_every=0");
        AssertDressed(run.Checkpoint(1));
        fixture.Train("dressed", "run.steps=2", "run.validate_every=0", "optimizer.decay=constant", "run.keep_checkpoints=1");
        Do("checkpoint", "export", run.Path, "--output", _folder.PathOf("out"));

        AssertDressed("out");
    }

    [Fact]
    public void WhatTheFolderThatARunBeganFromHadIsInItsCheckpoints()
    {
        var source = Dressed("source");

        var run = fixture.Train("begun-dressed", "run.steps=1", "run.validate_every=0", $"run.initialize_from={source}");

        AssertDressed(run.Checkpoint(1));
    }

    [Fact]
    public void IdsThatOnlyGenerationConfigOrTheTokenizerHasAreStatedInAll()
    {
        var source = Undressed("source");
        var tokenizer = TokenizerModel.Load(source);
        var begin = tokenizer.Decode([5]);
        Write(source, "generation_config.json", new JsonObject { ["eos_token_id"] = new JsonArray(7, 8), ["temperature"] = 0.5 });
        Write(source, "tokenizer_config.json", new JsonObject { ["bos_token"] = new JsonObject { ["content"] = begin } });

        Do("model", "convert", "--model", source, "--output", _folder.PathOf("out"));

        Assert.Equal("[7,8]", Json("out", "config.json")["eos_token_id"]!.ToJsonString());
        Assert.Equal(5, (int)Json("out", "config.json")["bos_token_id"]!);
        Assert.Equal(5, (int)Json("out", "generation_config.json")["bos_token_id"]!);
        Assert.Equal(0.5, (double)Json("out", "generation_config.json")["temperature"]!);
        Assert.Equal(begin, (string?)Json("out", "tokenizer_config.json")["bos_token"]!["content"]);
    }

    [Fact]
    public void TheIdsThatATokenizersFolderStatesEndATextInWhatARunSaves()
    {
        var tokenizer = _folder.PathOf("tokenizer");
        Directory.CreateDirectory(tokenizer);
        foreach (var file in Directory.GetFiles(fixture.TokenizerPath))
        {
            File.Copy(file, Path.Combine(tokenizer, Path.GetFileName(file)));
        }

        Write(tokenizer, "generation_config.json", new JsonObject { ["eos_token_id"] = new JsonArray(7, 8), ["top_p"] = 0.9 });

        var run = fixture.Train("chat-tokenizer", "run.steps=1", "run.validate_every=0", $"data.tokenizer={tokenizer}");

        Assert.Equal(7, TokenizerModel.Load(tokenizer).EndOfTextId);
        Assert.Equal("[7,8]", Json(run.Checkpoint(1), "generation_config.json")["eos_token_id"]!.ToJsonString());
        Assert.Equal(0.9, (double)Json(run.Checkpoint(1), "generation_config.json")["top_p"]!);
    }

    // The run's own model as a folder from elsewhere, with everything that such a folder may have.
    private string Dressed(string name)
    {
        var folder = Undressed(name);
        var config = Json(folder, "config.json");
        config["bos_token_id"] = 3;
        config["eos_token_id"] = new JsonArray(TokenizerModel.Load(folder).EndOfTextId, 4);
        config["pad_token_id"] = 6;
        config["attention_dropout"] = 0.25;
        Write(folder, "config.json", config);
        Write(folder, "generation_config.json", new JsonObject { ["bos_token_id"] = 3, ["eos_token_id"] = new JsonArray(TokenizerModel.Load(folder).EndOfTextId, 4), ["temperature"] = 0.6 });
        Write(folder, "tokenizer_config.json", new JsonObject { ["eos_token"] = "<|endoftext|>", ["chat_template"] = "{{ messages }}", ["padding_side"] = "left" });
        Write(folder, "special_tokens_map.json", new JsonObject { ["eos_token"] = "<|endoftext|>" });
        File.WriteAllText(Path.Combine(folder, "chat_template.jinja"), "{{ messages }}\n");
        return folder;
    }

    private string Undressed(string name)
    {
        var folder = _folder.PathOf(name);
        Do("model", "convert", "--model", fixture.ModelPath, "--output", folder);
        var config = Json(folder, "config.json");
        config.Remove("eos_token_id");
        config.Remove("bos_token_id");
        Write(folder, "config.json", config);
        File.Delete(Path.Combine(folder, "generation_config.json"));
        File.Delete(Path.Combine(folder, "tokenizer_config.json"));
        return folder;
    }

    private void AssertDressed(string folder)
    {
        var end = TokenizerModel.Load(fixture.TokenizerPath).EndOfTextId;
        var config = Json(folder, "config.json");
        Assert.Equal(3, (int)config["bos_token_id"]!);
        Assert.Equal($"[{end},4]", config["eos_token_id"]!.ToJsonString());
        Assert.Equal(6, (int)config["pad_token_id"]!);
        Assert.Equal(0.25, (double)config["attention_dropout"]!);
        var generation = Json(folder, "generation_config.json");
        Assert.Equal($"[{end},4]", generation["eos_token_id"]!.ToJsonString());
        Assert.Equal(0.6, (double)generation["temperature"]!);
        Assert.Equal(6, (int)generation["pad_token_id"]!);
        Assert.Equal("{{ messages }}", (string?)Json(folder, "tokenizer_config.json")["chat_template"]);
        Assert.Equal("left", (string?)Json(folder, "tokenizer_config.json")["padding_side"]);
        Assert.Equal("<|endoftext|>", (string?)Json(folder, "special_tokens_map.json")["eos_token"]);
        Assert.Equal("{{ messages }}\n", File.ReadAllText(Path.Combine(_folder.PathOf(folder), "chat_template.jinja")));
    }

    private static void Write(string folder, string name, JsonObject json) => File.WriteAllText(Path.Combine(folder, name), json.ToJsonString());

    // A path that is whole already stays as it is.
    private JsonObject Json(string folder, string name) => JsonNode.Parse(File.ReadAllBytes(Path.Combine(_folder.PathOf(folder), name)))!.AsObject();

    private static void Do(params string[] arguments) => CommandRun.Execute(ExitCode.Done, arguments);
}
