using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using KvShiftScale.Core;

namespace KvShiftScale.Trainer.Tests.EndToEnd;

/// <summary>Checkpoints as the program wrote them before files had piecewise checksums: format 2, with the SHA-256 of every file.</summary>
[Collection(nameof(EndToEndGroup))]
public sealed class EarlierFormatTests(TrainingFixture fixture)
{
    private const int NewestStep = 16;

    [Fact]
    public void ARunOfFormatTwoGoesOnToTheSameBitsAndSavesInTheFormatOfToday()
    {
        var run = OfFormatTwo("format-2");
        using var verify = ProgramRun.Execute(ExitCode.Done, "checkpoint", "verify", run.Path);
        Assert.Contains($"{run.Checkpoint(NewestStep)}: good", verify.Output);

        using var train = ProgramRun.Execute(ExitCode.Done, fixture.TrainArguments("format-2"));

        Assert.Contains($"going on from the checkpoint of step {NewestStep}", train.Output);
        run.AssertSameCurve(fixture.OneRank, 0);
        Assert.Equal(fixture.OneRank.Tensors(TrainingFixture.Steps), run.Tensors(TrainingFixture.Steps));
        Assert.Equal(3, ManifestOf(run.Checkpoint(TrainingFixture.Steps))["format"]!.GetValue<int>());
    }

    [Fact]
    public void ADamagedOneOfFormatTwoIsRejectedForTheOneBefore()
    {
        var run = OfFormatTwo("format-2-damaged");
        var weights = Path.Combine(run.Checkpoint(NewestStep), TrainedRun.FirstRankFile);
        var bytes = File.ReadAllBytes(weights);
        bytes[^100] ^= 1;
        File.WriteAllBytes(weights, bytes);
        using var verify = ProgramRun.Execute(ExitCode.Failed, "checkpoint", "verify", run.Path);
        Assert.Matches($@"{run.Checkpoint(NewestStep)}: {TrainedRun.FirstRankFile}: tensor '[^']+' is changed", verify.Output);

        using var train = ProgramRun.Execute(ExitCode.Done, fixture.TrainArguments("format-2-damaged"));

        Assert.Contains($"checkpoint rejected: {run.Checkpoint(NewestStep)}: {TrainedRun.FirstRankFile} has another SHA-256 checksum", train.Error);
        Assert.Contains("going on from the checkpoint of step 8", train.Output);
        Assert.Equal(fixture.OneRank.Tensors(TrainingFixture.Steps), run.Tensors(TrainingFixture.Steps));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public void OtherFormatsAreRefusedWithThoseThatAreRead(int format)
    {
        var checkpoint = fixture.OneRank.CopyTo(fixture.RunOf($"format-{format}").Path).Checkpoint(NewestStep);
        Rewrite(checkpoint, manifest => manifest["format"] = format);

        using var verify = ProgramRun.Execute(ExitCode.Failed, "checkpoint", "verify", checkpoint);

        Assert.Contains($"manifest.json: has format {format}; this version of the program reads formats 2 to 3", verify.Output);
    }

    // A run of 20 steps of which the last checkpoint is lost and the others are of format 2.
    private TrainedRun OfFormatTwo(string name)
    {
        var run = fixture.OneRank.CopyTo(fixture.RunOf(name).Path);
        Directory.Delete(run.Checkpoint(TrainingFixture.Steps), recursive: true);
        foreach (var checkpoint in Directory.GetDirectories(run.PathOf("checkpoints")))
        {
            Rewrite(checkpoint, manifest =>
            {
                manifest["format"] = 2;
                // Logits were those of all of the model's context.
                manifest.AsObject().Remove("probe_tokens");
                foreach (var file in manifest["files"]!.AsArray())
                {
                    file!.AsObject().Remove("head_sha256");
                    file.AsObject().Remove("pieces_sha256");
                    file["sha256"] = Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(Path.Combine(checkpoint, file["name"]!.GetValue<string>()))));
                }
            });
        }
        return run;
    }

    private static JsonNode ManifestOf(string checkpoint) => JsonNode.Parse(File.ReadAllBytes(Path.Combine(checkpoint, "manifest.json")))!;

    // The last property is the checksum of every byte before the comma in front of it.
    private static void Rewrite(string checkpoint, Action<JsonNode> change)
    {
        var manifest = ManifestOf(checkpoint);
        manifest.AsObject().Remove("manifest_sha256");
        change(manifest);
        var body = manifest.ToJsonString()[..^1];
        var checksum = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(body)));
        File.WriteAllText(Path.Combine(checkpoint, "manifest.json"), $"{body},\n  \"manifest_sha256\": \"{checksum}\"\n}}");
    }
}
