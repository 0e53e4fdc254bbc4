using System.Text.Json;
using KvShiftScale.Checkpoints.ModelFolders;
using KvShiftScale.Core;
using KvShiftScale.Models;
using KvShiftScale.Models.Initialization;
using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Parameters;
using KvShiftScale.Testing;
using static TorchSharp.torch;

namespace KvShiftScale.Trainer.Tests.EndToEnd;

/// <summary>Runs that begin with the weights of a model folder.</summary>
[Collection(nameof(EndToEndGroup))]
public sealed class InitialModelTests(TrainingFixture fixture)
{
    [Fact]
    public void NewRunBeginsWhereTheModelEnded()
    {
        var run = fixture.TrainOnTwoRanks("continued", "run.steps=1", $"run.initialize_from={fixture.ModelPath}");

        // Two ranks sum the same losses in another order.
        Assert.Equal(fixture.OneRank.Last.ValidationLoss!.Value, FirstValidationLoss(run), 1e-6);
    }

    [Fact]
    public void VanillaModelGetsTheConfiguredScalars()
    {
        using var folder = new TemporaryFolder();
        CommandRun.Execute(ExitCode.Done, "model", "convert", "--model", fixture.ModelPath, "--output", folder.PathOf("llama"), "--naming", "llama", "--vanilla");

        using var process = ProgramRun.Execute(ExitCode.Done,
            fixture.TrainArguments("shifted", "run.steps=1", $"run.initialize_from={folder.PathOf("llama")}", "optimizer.lr=1e-9"));

        Assert.Contains("no shift", process.Output + process.Error);
        Assert.Contains("kv_shift_init", process.Output + process.Error);
        using var trained = WeightFiles.Open(fixture.ModelPath);
        using var begun = WeightFiles.Open(fixture.RunOf("shifted").Checkpoint(1));
        using var fresh = new KvShiftTransformer(ModelDescription.Read(fixture.ModelPath).Model, new ParameterBuckets(ComputeDevice.Host(ScalarType.Float32), 1 << 20), context: 1);
        fresh.Initialize(seed: 3);
        // One step at this rate moves nothing by more than rounding: matrices are the model's, scalars those that the run's seed gives.
        Assert.Equal(Values(trained, "model.layers.0.mlp.up_proj.weight"), Values(begun, "model.layers.0.mlp.up_proj.weight"), (a, b) => Math.Abs(a - b) < 1e-7);
        Assert.Equal(fresh.Parameters.Slots.Single(slot => slot.Name == "model.layers.1.self_attn.k_shift").Parameter.detach().data<float>().ToArray(), Values(begun, "model.layers.1.self_attn.k_shift"), (a, b) => Math.Abs(a - b) < 1e-6);
        Assert.NotEqual(Values(trained, "model.layers.1.self_attn.k_shift"), Values(begun, "model.layers.1.self_attn.k_shift"), (a, b) => Math.Abs(a - b) < 1e-4);
    }

    private static float[] Values(WeightFiles files, string name)
    {
        using var values = empty(files.Entry(name).ByteCount / sizeof(float));
        files.ReadElements(name, 0, values);
        return values.data<float>().ToArray();
    }

    private static double FirstValidationLoss(TrainedRun run)
    {
        using var json = JsonDocument.Parse(File.ReadAllBytes(run.PathOf("summary.json")));
        return json.RootElement.GetProperty("first_validation_loss").GetDouble();
    }
}
