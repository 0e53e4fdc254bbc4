using System.Globalization;
using KvShiftScale.Core;
using KvShiftScale.Testing;

namespace KvShiftScale.Trainer.Tests.EndToEnd;

/// <summary>One run that goes on from each checkpoint on another layout, against the same run on one rank without a break.</summary>
[Collection(nameof(EndToEndGroup))]
public sealed class LayoutChangeTests(TrainingFixture fixture)
{
    // A constant learning rate after warm-up: the schedule must not depend on where a launch ends.
    private static readonly string[] Short = ["optimizer.decay=constant", "run.validate_every=0", "run.checkpoint_every=0"];

    // Ranks and settings of each launch of ten steps, in order.
    [Theory]
    [InlineData("data-tensor", "1;", "2;", "2;parallel.tensor=2", "4;parallel.tensor=2")]
    [InlineData("zero", "2;parallel.optimizer_sharding=zero1", "2;parallel.context=2;parallel.optimizer_sharding=zero2", "4;parallel.tensor=2;parallel.optimizer_sharding=zero2", "1;")]
    [InlineData("pipeline", "2;parallel.pipeline=2", "1;", "4;parallel.pipeline=2;parallel.tensor=2", "2;")]
    public void InDoublePrecisionTheLossesAgreeToTenDigits(string name, params string[] launches)
    {
        var unbroken = fixture.Shared("unbroken-fp64", () => Train("unbroken-fp64", 1, 40, "precision=fp64"));

        var broken = TrainInTurn($"{name}-fp64", launches, "precision=fp64");

        // The bound of the parity matrix, which holds any two layouts to it; rounding stays four digits below.
        broken.AssertSameCurve(unbroken, 1e-10);
        Assert.Equal(unbroken.Tensors(40).Keys, broken.Tensors(40).Keys);
    }

    [Fact]
    public void VirtualStagesGoOnFromAnyLayoutAndAnyGoesOnFromThem()
    {
        string[] settings = ["precision=fp64", "model.layers=4"];
        var unbroken = Train("unbroken-chunks", 1, 40, settings);

        const string chunks = "parallel.pipeline=2;parallel.virtual_stages=2";
        var broken = TrainInTurn("chunks", [$"2;{chunks}", "1;", $"4;{chunks};parallel.optimizer_sharding=zero2", "2;parallel.tensor=2"], settings);

        broken.AssertSameCurve(unbroken, 1e-10);
        Assert.Equal(unbroken.Tensors(40).Keys, broken.Tensors(40).Keys);
    }

    [Fact]
    public void ProbedLogitsAreTheSameWhereALayoutNeedsMoreTokensThanAreProbed()
    {
        // Three ranks divide a row into six parts, and of the 138 tokens 128 are probed.
        string[] settings = ["precision=fp64", "data.context=138"];
        Train("probed", 1, 2, settings);

        // In double precision logits that are off by more than 1e-9 are refused.
        var output = MpiRun.Execute(3, ProgramRun.KvShift, fixture.TrainArguments("probed", [.. Short, "run.steps=4", "parallel.context=3", .. settings]));

        Assert.Contains("verified and loaded", output);
        Assert.Equal(4, fixture.RunOf("probed").Last.Step);
    }

    [Fact]
    public void DeterministicRunsHaveTheSameBitsOnAnyNumberOfRanksAndWithEitherOptimizer()
    {
        var unbroken = Train("unbroken-deterministic", 1, 40, "run.deterministic=true");

        var broken = TrainInTurn("deterministic", ["1;", "2;parallel.optimizer_sharding=zero1", "4;", "2;parallel.optimizer_sharding=zero1"], "run.deterministic=true");

        broken.AssertSameCurve(unbroken, 0);
        Assert.Equal(unbroken.Tensors(40), broken.Tensors(40));
    }

    [Fact]
    public void CheckpointOfFourRanksIsExportedAsAModelFolderOfTheSameLoss()
    {
        var run = TwoByTwo();
        var exported = fixture.PathOf("exported-2x2");
        ProgramRun.Execute(ExitCode.Done, "checkpoint", "export", run.Path, "--output", exported).Dispose();

        Assert.True(File.Exists(Path.Combine(exported, "model.safetensors")));
        Assert.False(File.Exists(Path.Combine(exported, "manifest.json")));
        foreach (var folder in (string[])[exported, run.Checkpoint(10)])
        {
            using var eval = ProgramRun.Execute(ExitCode.Done, "eval", "--model", folder, "--data", fixture.ValidationShard);
            var loss = System.Text.Json.JsonDocument.Parse(eval.LastLine).RootElement.GetProperty("loss").GetDouble();
            // Sums of the same float32 products in another order.
            Assert.Equal(run.Last.ValidationLoss!.Value, loss, 1e-6);
        }
    }

    [Fact]
    public void RanksShareTheWritingAndTheMeshIsShown()
    {
        var run = TwoByTwo();

        var sizes = Enumerable.Range(0, 4).Select(rank => new FileInfo(Path.Combine(run.Checkpoint(10), $"rank-{rank:D5}.safetensors")).Length).ToList();
        // Equal parts but for headers and what only the first rank of a tensor-parallel group has: norms.
        Assert.InRange(sizes.Max() / (double)sizes.Min(), 1, 1.2);
    }

    [Fact]
    public void ImportedModelIsTrainedFromItsLoss()
    {
        var model = fixture.OneRank.Checkpoint(20);
        var run = fixture.RunOf("imported");
        ProgramRun.Execute(ExitCode.Done, "checkpoint", "import", "--model", model, "--run", run.Path).Dispose();

        using var train = ProgramRun.Execute(ExitCode.Done, fixture.TrainArguments("imported", "run.steps=2"));

        Assert.Contains("step 0/2 validation", train.Output.Replace("step 0 validation loss", "step 0/2 validation", StringComparison.Ordinal));
        using var summary = System.Text.Json.JsonDocument.Parse(File.ReadAllText(run.PathOf("summary.json")));
        Assert.Equal(fixture.OneRank.Last.ValidationLoss!.Value, summary.RootElement.GetProperty("first_validation_loss").GetDouble(), 1e-6);
    }

    [Fact]
    public void ListInspectAndVerifySayWhatThereIs()
    {
        var run = TwoByTwo();
        using var list = ProgramRun.Execute(ExitCode.Done, "checkpoint", "list", run.Path);
        using var inspect = ProgramRun.Execute(ExitCode.Done, "checkpoint", "inspect", run.Path);
        using var verify = ProgramRun.Execute(ExitCode.Done, "checkpoint", "verify", run.Path);

        Assert.Contains("4 ranks: data 2 x context 1 x tensor 2, optimizer_sharding zero1, fp32", list.Output);
        Assert.Contains("exp_avg_sq.model.embed_tokens.weight", inspect.Output);
        Assert.Contains("300 x 32", inspect.Output);
        Assert.Contains(": good", verify.Output);
    }

    [Fact]
    public void OtherPrecisionIsRefusedAndBfloat16IsNot()
    {
        var copy = fixture.OneRank.CopyTo(fixture.RunOf("to-fp64").Path);
        using var refused = ProgramRun.Execute(ExitCode.Usage, fixture.TrainArguments("to-fp64", "run.steps=21", "precision=fp64"));
        Assert.Contains("precision = fp64", refused.Error);
        Assert.Contains("in F32", refused.Error);

        using var accepted = ProgramRun.Execute(ExitCode.Done, [.. fixture.TrainArguments("to-fp64", "run.steps=22", "precision=bf16"), "--accept-changed-schedule"]);
        Assert.Contains("precision was fp32 and is bf16, from step 21 on", accepted.Output);
        Assert.Equal(22, copy.Last.Step);
    }

    [Fact]
    public void Bfloat16FollowsFloat32()
    {
        var wide = Train("wide", 1, 40);
        var narrow = Train("narrow", 2, 40, "precision=bf16", "parallel.optimizer_sharding=zero1");

        // Eight bits of mantissa: a loss of 5 is off by a hundredth at most while both learn.
        foreach (var (theirs, ours) in wide.Records.Zip(narrow.Records))
        {
            Assert.Equal(theirs.Loss, ours.Loss, 0.03);
        }

        Assert.InRange(narrow.Last.Loss, 1, wide.Records[0].Loss - 1);
        Assert.NotEqual(wide.Last.Loss, narrow.Last.Loss);
    }

    // Trained once: validated and saved by four ranks that share model, samples and optimizer.
    private TrainedRun TwoByTwo() => fixture.Shared("two-by-two", () =>
    {
        var output = MpiRun.Execute(4, ProgramRun.KvShift, fixture.TrainArguments("two-by-two", [.. Short, "run.steps=10", "parallel.tensor=2",
            "parallel.optimizer_sharding=zero1"]));
        Assert.Contains("4 ranks: data 2 x tensor 2", output);
        Assert.Matches(@"(?m)^ +3 +0 +1 +0 +1 +\S+ +cpu", output);
        return fixture.RunOf("two-by-two");
    });

    private TrainedRun TrainInTurn(string name, string[] launches, params string[] settings)
    {
        for (var i = 0; i < launches.Length; i++)
        {
            var parts = launches[i].Split(';', StringSplitOptions.RemoveEmptyEntries);
            var (ranks, last) = (int.Parse(parts[0], CultureInfo.InvariantCulture), 10 * (i + 1));
            // Two steps more than its ten, which are lost again: so the next one goes on from a checkpoint that was written beside training.
            var lost = i == launches.Length - 1 ? 0 : 2;
            var run = Train(name, ranks, last + lost, [.. settings, "run.checkpoint_every=10", "run.async_save=true", "parallel.overlap=true", .. parts[1..]]);
            if (lost > 0)
            {
                Directory.Delete(run.Checkpoint(last + lost), recursive: true);
            }

            Assert.True(Directory.Exists(run.Checkpoint(last)));
        }
        return fixture.RunOf(name);
    }

    private TrainedRun Train(string name, int ranks, int steps, params string[] settings)
    {
        var arguments = fixture.TrainArguments(name, [.. Short, $"run.steps={steps}", .. settings]);
        if (ranks == 1)
        {
            ProgramRun.Execute(ExitCode.Done, arguments).Dispose();
        }
        else
        {
            MpiRun.Execute(ranks, ProgramRun.KvShift, arguments);
        }

        return fixture.RunOf(name);
    }
}
