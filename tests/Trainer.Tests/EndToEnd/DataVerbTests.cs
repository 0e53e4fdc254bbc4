using System.Security.Cryptography;
using System.Text.Json;
using KvShiftScale.Core;

namespace KvShiftScale.Trainer.Tests.EndToEnd;

[Collection(nameof(EndToEndGroup))]
public sealed class DataVerbTests(TrainingFixture fixture)
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void VerifyPrintsTheHashOfTheDocuments(bool isFolder)
    {
        var documents = fixture.Encode(TrainingFixture.TrainingTexts);
        using var content = new MemoryStream();
        using (var writer = new BinaryWriter(content))
        {
            foreach (var ids in documents)
            {
                writer.Write(ids.Length);
                foreach (var id in ids)
                {
                    writer.Write(id);
                }
            }
        }

        using var run = ProgramRun.Execute(ExitCode.Done, "data", "verify", isFolder ? fixture.PathOf("train") : fixture.TrainingShard);

        using var json = JsonDocument.Parse(run.LastLine);
        Assert.Equal(160, json.RootElement.GetProperty("rows").GetInt64());
        Assert.Equal(documents.Sum(ids => ids.Length), json.RootElement.GetProperty("tokens").GetInt64());
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(content.ToArray())), json.RootElement.GetProperty("sha256").GetString());
    }

    [Fact]
    public void PrepareLeavesAFinishedFolderAlone()
    {
        var before = File.GetLastWriteTimeUtc(fixture.TrainingShard);

        using var run = ProgramRun.Execute(ExitCode.Done, "data", "prepare", "--input", fixture.PathOf("train.jsonl"), "--tokenizer",
            fixture.TokenizerPath, "--output", fixture.PathOf("train"));

        Assert.Contains("is finished: 160 documents", run.Error);
        Assert.Equal(before, File.GetLastWriteTimeUtc(fixture.TrainingShard));
    }

    [Fact]
    public void InspectShowsTheFirstDocument()
    {
        using var run = ProgramRun.Execute(ExitCode.Done, "data", "inspect", fixture.ValidationShard, "--tokenizer", fixture.TokenizerPath);

        Assert.Contains("input_ids", run.Output);
        Assert.Contains(TrainingFixture.ValidationTexts[0], run.Output.ReplaceLineEndings(" "));
    }
}
