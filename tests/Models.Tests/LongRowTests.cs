using System.Globalization;
using KvShiftScale.Models.Configuration;
using KvShiftScale.Parallel.Kernels;
using static TorchSharp.torch;

namespace KvShiftScale.Models.Tests;

/// <summary>Rows of 16,384 tokens, whose N x N mask would be 256 MiB and whose scores 1 GiB a head.</summary>
public sealed class LongRowTests
{
    private const int Tokens = 16_384;
    private static readonly ModelConfig Config = ModelFixture.Config with { HiddenSize = 4, Layers = 1, Heads = 1, KvHeads = 1, FfnSize = 4 };

    [Theory]
    [InlineData(KernelChoice.Auto, Tokens)]
    [InlineData(KernelChoice.Composed, Tokens)]
    [InlineData(KernelChoice.Composed, 500)]
    public void MemoryOfATrainingStepStaysLinearInTheRow(KernelChoice kernels, int documentTokens)
    {
        using var fixture = new ModelFixture(Config, ScalarType.Float32, context: Tokens, kernels: kernels);
        var places = Enumerable.Range(0, Tokens);
        var rows = new TestRows([[.. places.Select(t => t * 7 % 13)]], [[.. places.Select(t => t * 5 % 13)]],
            [[.. places.Select(t => t % documentTokens)]]);
        // Writing 5 resets the process's peak of resident memory (proc(5)).
        File.WriteAllText("/proc/self/clear_refs", "5");
        var before = ResidentMebibytes("VmHWM");
        fixture.LossAndGradients(rows);

        // Blocks of 128 queries have 8 MiB of scores and some copies of them; all else is 16,384 rows of 4 channels.
        var peak = ResidentMebibytes("VmHWM") - before;
        Assert.True(peak < 192, $"a step over {Tokens} tokens took {peak} MiB");
    }

    [Fact]
    public void BlocksOfQueriesGiveWhatTheKernelsGive()
    {
        // Three blocks and documents that begin and end inside of them, across them and on their borders.
        const int tokens = 300;
        int[] starts = [0, 40, 128, 129, 250, 256];
        var positions = Enumerable.Range(0, tokens).Select(t => t - starts.Last(start => start <= t)).ToArray();
        var ids = Enumerable.Range(0, tokens).Select(t => t * t % 13).ToArray();
        var rows = new TestRows([ids, ids], [ids, ids], [positions, [.. Enumerable.Range(0, tokens)]]);
        var config = ModelFixture.Config with { InitStd = 0.2 };
        using var fixture = new ModelFixture(config, ScalarType.Float64, context: tokens);
        using var composedFixture = new ModelFixture(config, ScalarType.Float64, context: tokens, kernels: KernelChoice.Composed);
        var (loss, gradients) = fixture.LossAndGradients(rows);
        var (composedLoss, composed) = composedFixture.LossAndGradients(rows);

        Assert.Equal(loss, composedLoss, 1e-12 * loss);
        // Sums of 600 tokens in another order.
        foreach (var (name, expected) in gradients)
        {
            RelativeError.Below(1e-12, name, expected, composed[name]);
        }
    }

    private static long ResidentMebibytes(string key)
    {
        var line = File.ReadLines("/proc/self/status").Single(line => line.StartsWith(key, StringComparison.Ordinal));
        return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1].Trim(), CultureInfo.InvariantCulture) / 1024;
    }
}
