using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Gradients;
using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Optimization;
using KvShiftScale.Parallel.Parameters;
using static TorchSharp.torch;

namespace KvShiftScale.Parallel.Tests.Training;

public sealed class AdamWTests
{
    private static readonly OptimizerConfig Config = new() { Beta1 = 0.8, Beta2 = 0.95, Epsilon = 1e-6, WeightDecay = 0.3 };

    // Relative to the largest element: float32 rounds at 6e-8, float64 at 1e-16, a few times in each of five updates.
    [Theory]
    [InlineData(ScalarType.Float32, 1e-6)]
    [InlineData(ScalarType.Float64, 1e-13)]
    public void FiveStepsEqualThePlainComputation(ScalarType dtype, double tolerance)
    {
        using var scope = NewDisposeScope();
        using var parameters = new ParameterBuckets(ComputeDevice.Host(dtype), bucketBytes: 64);
        // Lengths that are no multiple of a vector register, and more than one bucket that is decayed.
        var slots = new[]
        {
            parameters.Create("a", weightDecay: true, 3, 5),
            parameters.Create("norm", weightDecay: false, 7),
            parameters.Create("b", weightDecay: true, 19),
        };
        var expected = slots.Select((slot, s) => new Reference(Numbers((int)slot.Parameter.numel(), s, 0), s == 1 ? 0 : 0.3)).ToArray();
        for (var s = 0; s < slots.Length; s++)
        {
            using var mode = no_grad();
            slots[s].Parameter.copy_(TensorValues.Make(dtype, [.. slots[s].Shape], expected[s].Parameter));
        }

        using var optimizer = new AdamW(parameters, Config);
        for (var step = 1; step <= 5; step++)
        {
            var (learningRate, scale) = (0.01 * step, 1.0 / (1 + step));
            parameters.BeginStep();
            for (var s = 0; s < slots.Length; s++)
            {
                var gradient = Numbers(expected[s].Parameter.Length, s, step);
                slots[s].Accumulate(TensorValues.Make(dtype, [.. slots[s].Shape], gradient));
                expected[s].Step(gradient, learningRate, scale, step);
            }

            optimizer.Step(learningRate, scale, step);
        }

        for (var s = 0; s < slots.Length; s++)
        {
            var (_, _, _, first, second) = optimizer.StateOf(slots[s])!;
            TensorValues.AssertClose(expected[s].Parameter, slots[s].Parameter, tolerance);
            TensorValues.AssertClose(expected[s].First, first, tolerance);
            TensorValues.AssertClose(expected[s].Second, second, tolerance);
        }
    }

    // With one gradient g both corrected moments are g and g^2, so that the step is lr * sign(g) whatever the scale of g.
    [Theory]
    [InlineData(1)]
    [InlineData(1000)]
    public void FirstStepHasTheLengthOfTheLearningRate(double scale)
    {
        using var scope = NewDisposeScope();
        using var parameters = new ParameterBuckets(ComputeDevice.Host(ScalarType.Float64), bucketBytes: 64);
        var slot = parameters.Create("norm", weightDecay: false, 2);
        using (no_grad())
        {
            slot.Parameter.copy_(TensorValues.Make(ScalarType.Float64, [2], 1, 1));
        }

        using var optimizer = new AdamW(parameters, Config with { Epsilon = 1e-30 });
        slot.Accumulate(TensorValues.Make(ScalarType.Float64, [2], 0.5, -2));

        optimizer.Step(0.25, scale, 1);

        TensorValues.AssertClose([0.75, 1.25], slot.Parameter, 1e-14);
    }

    [Fact]
    public void WithoutAGradientOnlyDecayedParametersShrink()
    {
        using var scope = NewDisposeScope();
        using var parameters = new ParameterBuckets(ComputeDevice.Host(ScalarType.Float64), bucketBytes: 64);
        var matrix = parameters.Create("matrix", weightDecay: true, 1, 1);
        var norm = parameters.Create("norm", weightDecay: false, 1);
        using (no_grad())
        {
            matrix.Parameter.copy_(TensorValues.Make(ScalarType.Float64, [1, 1], 2));
            norm.Parameter.copy_(TensorValues.Make(ScalarType.Float64, [1], 2));
        }

        using var optimizer = new AdamW(parameters, Config);
        new GradientReducer(parameters, ProcessGroup.Solo("data")).Reduce();
        optimizer.Step(0.5, 1, 1);

        // 2 (1 - 0.5 * 0.3)
        TensorValues.AssertClose([1.7], matrix.Parameter, 1e-15);
        TensorValues.AssertClose([2], norm.Parameter);
    }

    [Fact]
    public void ParameterOfAnotherModelHasNoMoments()
    {
        using var parameters = new ParameterBuckets(ComputeDevice.Host(ScalarType.Float32), bucketBytes: 64);
        using var others = new ParameterBuckets(ComputeDevice.Host(ScalarType.Float32), bucketBytes: 64);
        parameters.Create("a", weightDecay: true, 1);
        using var optimizer = new AdamW(parameters, Config);

        Assert.Throws<ArgumentException>(() => optimizer.StateOf(others.Create("a", weightDecay: true, 1)));
    }

    // Different for every slot, element and step, of either sign, and rounded to what float32 has.
    private static double[] Numbers(int count, int slot, int step)
        => [.. Enumerable.Range(0, count).Select(i => (double)(float)Math.Sin(1 + 1.7 * i + 5.3 * slot + 2.9 * step))];

    private sealed class Reference(double[] parameter, double decay)
    {
        public double[] Parameter { get; } = parameter;

        public double[] First { get; } = new double[parameter.Length];

        public double[] Second { get; } = new double[parameter.Length];

        // Loshchilov and Hutter 2019, algorithm 2, with the decay outside the moments.
        public void Step(double[] gradient, double learningRate, double scale, int step)
        {
            for (var i = 0; i < Parameter.Length; i++)
            {
                var g = gradient[i] * scale;
                First[i] = 0.8 * First[i] + (1 - 0.8) * g;
                Second[i] = 0.95 * Second[i] + (1 - 0.95) * g * g;
                var first = First[i] / (1 - Math.Pow(0.8, step));
                var second = Second[i] / (1 - Math.Pow(0.95, step));
                Parameter[i] -= learningRate * (first / (Math.Sqrt(second) + 1e-6) + decay * Parameter[i]);
            }
        }
    }
}
