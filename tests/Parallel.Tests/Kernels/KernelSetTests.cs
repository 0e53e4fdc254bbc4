using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Tests.Training;
using static TorchSharp.torch;

namespace KvShiftScale.Parallel.Tests.Kernels;

/// <summary>
/// Every set of kernels, operation by operation, against libtorch's operations in float64, from the same inputs: outputs and gradients.
/// A new set is a line of <see cref="Sets"/>.
/// </summary>
public sealed class KernelSetTests
{
    // Relative to the norm of a result. The longest sum, the gradient of a shift's weight, has 1,680 terms that cancel to some forty of them: 80
    // roundings, 6e-8 each in float32 and 1.1e-16 in float64. A rounding to bfloat16 errs by up to 2^-9 = 2e-3 of a number's own power of two,
    // 1.1e-3 in standard deviation. libkvshift rounds what it returns, a sum before it is normalised, and attention's output before backward uses it; the
    // tables of a rotation are rounded too: three such deviations at most. Composed of libtorch's operations, half a dozen of the largest lie
    // between inputs and result.
    private static readonly Dictionary<string, (Func<IKernels> New, double Tolerance)> Sets = new()
    {
        ["libkvshift in float32"] = (() => new HostKernels(ScalarType.Float32), 5e-6),
        ["libkvshift in float64"] = (() => new HostKernels(ScalarType.Float64), 1e-14),
        ["libkvshift in bfloat16"] = (() => new HostKernels(ScalarType.BFloat16), 3.5e-3),
        ["libtorch in float32"] = (() => new ComposedKernels(ScalarType.Float32), 5e-6),
        ["libtorch in bfloat16"] = (() => new ComposedKernels(ScalarType.BFloat16), 0.03),
    };

    public static TheoryData<string, string> SetsAndOperations()
    {
        var data = new TheoryData<string, string>();
        foreach (var set in Sets.Keys)
        {
            foreach (var operation in KernelOperations.All.Keys)
            {
                data.Add(set, operation);
            }
        }
        return data;
    }

    [Theory]
    [MemberData(nameof(SetsAndOperations))]
    public void ComputesWhatLibtorchDoesInFloat64(string set, string operation)
    {
        using var scope = NewDisposeScope();
        using var mode = no_grad();
        var (make, tolerance) = Sets[set];
        var kernels = make();
        var found = KernelOperations.All[operation](new KernelInputs(kernels, kernels.DataType));
        var wanted = KernelOperations.All[operation](new KernelInputs(new ComposedKernels(ScalarType.Float64), kernels.DataType));

        Assert.Equal(wanted.Select(result => result.Name), found.Select(result => result.Name));
        foreach (var ((name, expected), (_, actual)) in wanted.Zip(found))
        {
            Assert.Equal(expected.shape, actual.shape);
            if (expected.numel() == 0)
            {
                continue;
            }

            var (distance, norm) = Distance(TensorValues.Of(expected), TensorValues.Of(actual));
            Assert.True(distance <= tolerance * norm, $"{name}: {distance / norm:E2} of the norm, allowed {tolerance:E0}");
        }
    }

    [Theory]
    [InlineData(ScalarType.Float16)]
    [InlineData(ScalarType.Int32)]
    public void LibkvshiftRefusesTypesThatItHasNoKernelsFor(ScalarType dtype)
        => Assert.Contains($"not for {dtype}", Assert.Throws<NotSupportedException>(() => new HostKernels(dtype)).Message, StringComparison.Ordinal);

    [Fact]
    public void NothingComputesInIntegers()
        => Assert.Contains("Int32", Assert.Throws<NotSupportedException>(() => ComputeDevice.Host(ScalarType.Int32, KernelChoice.Composed)).Message, StringComparison.Ordinal);

    [Fact]
    public void ATensorOfAnotherTypeIsRefused()
    {
        using var scope = NewDisposeScope();
        var rows = ones([2, 3], ScalarType.Float64);

        Assert.Throws<ArgumentException>(() => new HostKernels(ScalarType.Float32).SwiGlu(rows, rows));
    }

    [Theory]
    [InlineData(ScalarType.Float32, KernelChoice.Auto, typeof(HostKernels))]
    [InlineData(ScalarType.Float64, KernelChoice.Auto, typeof(HostKernels))]
    [InlineData(ScalarType.BFloat16, KernelChoice.Auto, typeof(HostKernels))]
    [InlineData(ScalarType.Float32, KernelChoice.Composed, typeof(ComposedKernels))]
    [InlineData(ScalarType.BFloat16, KernelChoice.Composed, typeof(ComposedKernels))]
    public void TheHostHasASetForEachType(ScalarType dtype, KernelChoice choice, Type set)
    {
        var device = ComputeDevice.Host(dtype, choice);

        Assert.IsType(set, device.Kernels);
        Assert.Equal(dtype, device.Kernels.DataType);
    }

    // How far apart they are, and the norm of what is wanted. Infinities are the same or not.
    private static (double Distance, double Norm) Distance(double[] wanted, double[] found)
    {
        var (distance, norm) = (0.0, 0.0);
        for (var i = 0; i < wanted.Length; i++)
        {
            if (double.IsInfinity(wanted[i]))
            {
                Assert.Equal(wanted[i], found[i]);
                continue;
            }

            distance += (found[i] - wanted[i]) * (found[i] - wanted[i]);
            norm += wanted[i] * wanted[i];
        }

        return (Math.Sqrt(distance), Math.Sqrt(norm));
    }
}
