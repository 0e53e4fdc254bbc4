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
    [InlineData(false, Tokens)]
    [InlineData(true, Tokens)]
    [InlineData(true, 500)]
    public void MemoryOfATrainingStepStaysLinearInTheRow(bool composed, int documentTokens)
    {
        using var fixture = new ModelFixture(Config, ScalarType.Float32, context: Tokens);
        var places = Enumerable.Range(0, Tokens);
        var rows = new TestRows([[.. places.Select(t => t * 7 % 13)]], [[.. places.Select(t => t * 5 % 13)]],
            [[.. places.Select(t => t % documentTokens)]]);
        AppContext.SetSwitch(KernelDataType.ComposedOperationsSwitch, composed);
        try
        {
            // Writing 5 resets the process's peak of resident memory (proc(5)).
            File.WriteAllText("/proc/self/clear_refs", "5");
            var before = ResidentMebibytes("VmHWM");
            fixture.LossAndGradients(rows);

            // Blocks of 128 queries have 8 MiB of scores and some copies of them; all else is 16,384 rows of 4 channels.
            var peak = ResidentMebibytes("VmHWM") - before;
            Assert.True(peak < 192, $"a step over {Tokens} tokens took {peak} MiB");
        }
        finally
        {
            AppContext.SetSwitch(KernelDataType.ComposedOperationsSwitch, false);
        }
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
        using var fixture = new ModelFixture(ModelFixture.Config with { InitStd = 0.2 }, ScalarType.Float64, context: tokens);
        var (loss, gradients) = fixture.LossAndGradients(rows);

        AppContext.SetSwitch(KernelDataType.ComposedOperationsSwitch, true);
        try
        {
            var (composedLoss, composed) = fixture.LossAndGradients(rows);
            Assert.Equal(loss, composedLoss, 1e-12 * loss);
            // Sums of 600 tokens in another order.
            foreach (var (name, expected) in gradients)
            {
                RelativeError.Below(1e-12, name, expected, composed[name]);
            }
        }
        finally
        {
            AppContext.SetSwitch(KernelDataType.ComposedOperationsSwitch, false);
        }
    }

    private static long ResidentMebibytes(string key)
    {
        var line = File.ReadLines("/proc/self/status").Single(line => line.StartsWith(key, StringComparison.Ordinal));
        return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1].Trim(), CultureInfo.InvariantCulture) / 1024;
    }
}
