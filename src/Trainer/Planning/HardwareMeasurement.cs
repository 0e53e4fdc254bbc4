using System.Diagnostics;
using KvShiftScale.Core.Numbers;
using KvShiftScale.Models.Configuration;
using KvShiftScale.Models.Layout;
using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Control;
using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Trainer.Configuration;
using static TorchSharp.torch;

namespace KvShiftScale.Trainer.Planning;

/// <summary>
/// Measures what a run's kernels and collectives reach here, on tensors of the run's own shapes. All ranks of a launch measure at once, as they would train,
/// so that ranks that share cores and memory get what is left to each.
/// </summary>
/// <param name="ranks">The ranks of the launch.</param>
/// <param name="config">The run.</param>
internal sealed class HardwareMeasurement(ParallelContext ranks, RunConfig config)
{
    private const int Rounds = 7;
    private const int DiskBytes = 64 << 20;

    private readonly LayerSizes _sizes = LayerSizes.Of(config with { Parallel = new ParallelConfig() }, 0);

    /// <summary>The measured profile, the same on all ranks. Collective.</summary>
    /// <param name="memoryBytes">Memory of the machine.</param>
    /// <param name="ranksHere">Ranks that share it.</param>
    public HardwareProfile Run(double memoryBytes, int ranksHere)
    {
        using var scope = NewDisposeScope();
        using var mode = no_grad();
        var kernels = Kernels(config.Precision);
        var (fp32, bf16) = (Products(Kernels(Precision.Fp32)), Products(Kernels(Precision.Bf16)));
        var (bandwidth, latency) = ranks.World.Size == 1 ? (1e12, 0) : Links(kernels.DataType);
        return new HardwareProfile
        {
            MemoryBytes = memoryBytes / ranksHere,
            MemoryBytesPerSecond = RowKernels(kernels),
            Fp32FlopsPerSecond = fp32,
            Bf16FlopsPerSecond = bf16,
            ProductEfficiency = 1,
            AttentionEfficiency = Math.Min(1, Attention(kernels) / (config.Precision == Precision.Bf16 ? bf16 : fp32)),
            BandwidthEfficiency = 1,
            NodeBytesPerSecond = bandwidth,
            NodeLatencySeconds = latency,
            NetworkBytesPerSecond = bandwidth,
            NetworkLatencySeconds = latency,
            // What moves gradients on a processor are its cores.
            OverlapShare = 0,
            DiskBytesPerSecond = Disk(),
        };
    }

    private IKernels Kernels(Precision precision)
        => ComputeDevice.Host(precision == Precision.Bf16 ? ScalarType.BFloat16 : ScalarType.Float32, config.Run.Kernels).Kernels;

    // The three products of a feed-forward matrix, in operations a second.
    private double Products(IKernels kernels)
    {
        using var scope = NewDisposeScope();
        var (x, weight) = (Random(kernels, _sizes.Tokens, _sizes.Hidden), Random(kernels, _sizes.Ffn, _sizes.Hidden));
        var gradient = zeros((long)_sizes.Ffn, (long)_sizes.Hidden, ScalarType.Float32);
        return 6 * _sizes.Tokens * _sizes.Hidden * _sizes.Ffn / Seconds(() =>
        {
            var y = kernels.Matmul(x, false, weight, true);
            kernels.Matmul(y, false, weight, false);
            kernels.MatmulInto(gradient, 1, y, true, x, false);
        });
    }

    // In operations a second, counted as a model's are.
    private double Attention(IKernels kernels)
    {
        using var scope = NewDisposeScope();
        var shape = config.Model.Attention(0);
        var rows = new TokenLayout(config.Data.MicroBatch, config.Data.Context, arange(config.Data.Context, int32).repeat(config.Data.MicroBatch));
        var (query, output) = (Random(kernels, _sizes.Tokens, _sizes.QueryWidth), Random(kernels, _sizes.Tokens, _sizes.QueryWidth));
        var (key, value) = (Random(kernels, _sizes.Tokens, _sizes.KvWidth), Random(kernels, _sizes.Tokens, _sizes.KvWidth));
        using (rows)
        {
            return 12 * _sizes.Queries * _sizes.Keys / Seconds(() =>
            {
                var result = kernels.Attention(query, key, value, shape, rows);
                kernels.AttentionBackward(query, key, value, result.ForBackward, output, shape, rows);
            });
        }
    }

    // Two norms and SwiGLU, forward and backward, in bytes a second of what they read and write.
    private double RowKernels(IKernels kernels)
    {
        using var scope = NewDisposeScope();
        var (x, residual, weight) = (Random(kernels, _sizes.Tokens, _sizes.Hidden), Random(kernels, _sizes.Tokens, _sizes.Hidden), ones((long)_sizes.Hidden, kernels.DataType));
        var (gate, up) = (Random(kernels, _sizes.Tokens, _sizes.Ffn), Random(kernels, _sizes.Tokens, _sizes.Ffn));
        var seconds = Seconds(() =>
        {
            for (var norm = 0; norm < 2; norm++)
            {
                var (sum, rows, inverse) = kernels.RmsNorm(x, residual, weight, config.Model.NormEpsilon);
                kernels.RmsNormBackward(sum, weight, inverse, rows, residual);
            }

            kernels.SwiGluBackward(gate, up, kernels.SwiGlu(gate, up));
        });
        return (16 * _sizes.Inner + 8 * _sizes.Wide) * ElementBytes.Of(config.Precision).Narrow / seconds;
    }

    // Bandwidth and latency with which the formula of a sum over ranks gives what one takes, of activations and of a number.
    private (double BytesPerSecond, double LatencySeconds) Links(ScalarType type)
    {
        using var scope = NewDisposeScope();
        var (large, small) = (zeros((long)_sizes.Inner, type), zeros(1, type));
        var messages = 2 * (ranks.World.Size - 1);
        var latency = Seconds(() => ranks.World.AllReduce(small)) / messages;
        var whole = Seconds(() => ranks.World.AllReduce(large));
        // Where neighbours on the machine make a number take as long as activations, what is left between the two says nothing.
        if (whole < 2 * messages * latency)
        {
            latency = 0;
        }

        return (messages * _sizes.Inner * large.element_size() / ranks.World.Size / (whole - messages * latency), latency);
    }

    private double Disk()
    {
        if (ranks.World.Rank != 0)
        {
            return Largest(0);
        }

        var path = Path.Combine(Directory.GetCurrentDirectory(), $".plan-{Guid.NewGuid():N}");
        try
        {
            var began = Stopwatch.GetTimestamp();
            using (var file = new FileStream(path, FileMode.CreateNew))
            {
                file.Write(new byte[DiskBytes]);
                file.Flush(flushToDisk: true);
            }

            return Largest(DiskBytes / Stopwatch.GetElapsedTime(began).TotalSeconds);
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static Tensor Random(IKernels kernels, double rows, double columns) => randn((long)rows, (long)columns, ScalarType.Float32).to(kernels.DataType);

    // Of the slowest rank, the median of some rounds, which all begin together.
    private double Seconds(Action work)
    {
        var rounds = new double[Rounds];
        for (var round = -1; round < Rounds; round++)
        {
            ranks.World.Barrier();
            var began = Stopwatch.GetTimestamp();
            using (NewDisposeScope())
            {
                work();
            }

            // The first one finds memory and threads.
            rounds[Math.Max(0, round)] = Stopwatch.GetElapsedTime(began).TotalSeconds;
        }

        return Largest(Median.Of(rounds));
    }

    private double Largest(double number)
    {
        Span<double> numbers = [number];
        ranks.World.Max(numbers);
        return numbers[0];
    }
}
