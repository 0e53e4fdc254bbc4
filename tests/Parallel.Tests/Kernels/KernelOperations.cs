using KvShiftScale.Parallel.Kernels;
using static TorchSharp.torch;

namespace KvShiftScale.Parallel.Tests.Kernels;

/// <summary>Every operation of <see cref="IKernels"/>, with its backward: results by name from inputs of a set.</summary>
internal static class KernelOperations
{
    private const int Batch = 2;
    private const int Tokens = 140;
    private const int HeadSize = 6;
    private const int None = IKernels.IgnoredTarget;

    public static readonly Dictionary<string, Func<KernelInputs, List<(string Name, Tensor Result)>>> All = new()
    {
        ["matmul"] = Matmul,
        ["matmul into"] = MatmulInto,
        ["embedding backward"] = EmbeddingBackward,
        ["norm"] = inputs => Norm(inputs, hasResidual: false),
        ["norm of no rows"] = inputs => Norm(inputs, hasResidual: true, rows: 0),
        ["norm of a sum"] = inputs => Norm(inputs, hasResidual: true),
        ["norm of a sum that nothing else uses"] = inputs => Norm(inputs, hasResidual: true, isUsed: false),
        ["rotation"] = inputs => ShiftRotate(inputs, taps: 0, isRotated: true),
        ["shift"] = inputs => ShiftRotate(inputs, taps: 2, isRotated: false),
        ["shift over four tokens and rotation"] = inputs => ShiftRotate(inputs, taps: 4, isRotated: true),
        ["attention"] = inputs => Attention(inputs, new AttentionShape(4, 2, HeadSize, Window: 0), [(0, Tokens)]),
        ["attention of heads of odd size in a window"] = inputs => Attention(inputs, new AttentionShape(6, 2, 19, Window: 65), [(0, Tokens)]),
        ["attention in a window"] = inputs => Attention(inputs, new AttentionShape(4, 4, HeadSize, Window: 5), [(0, Tokens)]),
        ["attention of a rank's parts"] = inputs => Attention(inputs, new AttentionShape(4, 1, HeadSize, Window: 0), [(35, 35), (70, 35)]),
        ["SwiGLU"] = inputs => SwiGlu(inputs, rows: 9),
        ["SwiGLU of no rows"] = inputs => SwiGlu(inputs, rows: 0),
        ["cross entropy"] = inputs => CrossEntropy(inputs, withGradient: true),
        ["cross entropy without gradient"] = inputs => CrossEntropy(inputs, withGradient: false),
        ["cross entropy of a part"] = inputs => CrossEntropyPart(inputs, columns: 7),
        ["cross entropy of no columns"] = inputs => CrossEntropyPart(inputs, columns: 0),
        ["scaling"] = Scaled,
        ["sum of squares"] = Squares,
        ["AdamW"] = AdamW,
    };

    private static List<(string, Tensor)> Matmul(KernelInputs inputs)
    {
        var results = new List<(string, Tensor)>();
        foreach (var (left, right) in (ReadOnlySpan<(bool, bool)>)[(false, false), (false, true), (true, false), (true, true)])
        {
            results.Add(($"{left} {right}", inputs.Kernels.Matmul(left ? inputs.Values(17, 33) : inputs.Values(33, 17), left,
                right ? inputs.Values(9, 17) : inputs.Values(17, 9), right)));
        }

        return results;
    }

    // Into a gradient, as layers do, and into activations, as the loss does.
    private static List<(string, Tensor)> MatmulInto(KernelInputs inputs)
    {
        var results = new List<(string, Tensor)>();
        foreach (var beta in (ReadOnlySpan<double>)[0, 1])
        {
            var (gradient, activation) = (inputs.Wide(33, 9), inputs.Values(33, 9));
            if (beta == 0)
            {
                // What was there before is not read.
                gradient.fill_(double.NaN);
                activation.fill_(double.NaN);
            }

            inputs.Kernels.MatmulInto(gradient, beta, inputs.Values(17, 33), true, inputs.Values(17, 9), false);
            inputs.Kernels.MatmulInto(activation, beta, inputs.Values(33, 17), false, inputs.Values(9, 17), true);
            results.AddRange([($"gradient, beta {beta}", gradient), ($"activation, beta {beta}", activation)]);
        }

        return results;
    }

    private static List<(string, Tensor)> EmbeddingBackward(KernelInputs inputs)
    {
        var gradient = inputs.Wide(5, 7);
        inputs.Kernels.EmbeddingBackward(inputs.Ids(3, 0, 3, 4, 3), inputs.Values(5, 7), gradient);
        return [("gradient", gradient)];
    }

    private static List<(string, Tensor)> Norm(KernelInputs inputs, bool hasResidual, bool isUsed = true, int rows = 11)
    {
        var weight = inputs.Values(37);
        var (sum, normalised, inverse) = inputs.Kernels.RmsNorm(inputs.Values(rows, 37), hasResidual ? inputs.Values(rows, 37) : null, weight, 1e-6);
        var (dsum, dweight) = inputs.Kernels.RmsNormBackward(sum, weight, inverse, inputs.Values(rows, 37), hasResidual && isUsed ? inputs.Values(rows, 37) : null);
        return [("sum", sum), ("normalised", normalised), ("gradient of the sum", dsum), ("gradient of the weight", dweight)];
    }

    private static List<(string, Tensor)> ShiftRotate(KernelInputs inputs, int taps, bool isRotated)
    {
        const int heads = 3;
        using var rows = Rows([(0, Tokens)]);
        var rotary = isRotated ? new RotaryTable(Tokens, HeadSize, ropeBase: 100, inputs.Kernels.DataType, CPU) : null;
        var (x, weights) = (inputs.Values(Batch * Tokens, heads * HeadSize), taps == 0 ? null : inputs.Values(heads, taps));
        var y = inputs.Kernels.ShiftRotate(x, heads, weights, rotary, rows);
        // As the model has it: without a shift nothing of the input is kept.
        var (dx, dweights) = inputs.Kernels.ShiftRotateBackward(taps == 0 ? null : x, inputs.Values(Batch * Tokens, heads * HeadSize), heads, weights, rotary, rows);
        rotary?.Dispose();
        return dweights is null ? [("result", y), ("gradient", dx)] : [("result", y), ("gradient", dx), ("gradient of the weights", dweights)];
    }

    private static List<(string, Tensor)> Attention(KernelInputs inputs, AttentionShape shape, IReadOnlyList<(int Begin, int Count)> parts)
    {
        using var rows = Rows(parts);
        var own = Batch * rows.OwnTokens;
        var query = inputs.Values(own, shape.Heads * shape.HeadSize);
        var (key, value) = (inputs.Values(Batch * Tokens, shape.KvHeads * shape.HeadSize), inputs.Values(Batch * Tokens, shape.KvHeads * shape.HeadSize));
        var result = inputs.Kernels.Attention(query, key, value, shape, rows);
        var (dquery, dkey, dvalue) = inputs.Kernels.AttentionBackward(query, key, value, result.ForBackward, inputs.Values(own, shape.Heads * shape.HeadSize), shape, rows);
        return [("result", result.Output), ("gradient of queries", dquery), ("gradient of keys", dkey), ("gradient of values", dvalue)];
    }

    private static List<(string, Tensor)> SwiGlu(KernelInputs inputs, int rows)
    {
        var (gate, up) = (inputs.Values(rows, 21) * 4, inputs.Values(rows, 21));
        var y = inputs.Kernels.SwiGlu(gate, up);
        var (dgate, dup) = inputs.Kernels.SwiGluBackward(gate, up, inputs.Values(rows, 21));
        return [("result", y), ("gradient of the gate", dgate), ("gradient of up", dup)];
    }

    private static List<(string, Tensor)> CrossEntropy(KernelInputs inputs, bool withGradient)
    {
        var (logits, sum) = (inputs.Wide(6, 19) * 3, inputs.Sum());
        inputs.Kernels.CrossEntropy(logits, inputs.Ids(0, 18, None, 7, 7, None), withGradient, sum);
        return withGradient ? [("sum", sum), ("gradient", logits)] : [("sum", sum)];
    }

    // Ids 4 to 10 are here, where there are columns.
    private static List<(string, Tensor)> CrossEntropyPart(KernelInputs inputs, int columns)
    {
        var (logits, targets) = (inputs.Wide(5, columns) * 3, inputs.Ids(4, 10, None, 3, 11));
        var statistics = inputs.Kernels.CrossEntropyPart(logits, targets, firstId: 4);
        var exponentials = logits.clone();
        inputs.Kernels.CrossEntropyPartGradient(logits, targets, firstId: 4, inputs.Wide(1, 5));
        return [("statistics", statistics), ("exponentials", exponentials), ("gradient", logits)];
    }

    private static List<(string, Tensor)> Scaled(KernelInputs inputs)
        => [("by 1", inputs.Kernels.Scaled(inputs.Wide(4, 3), inputs.Wide(1).view([]) * 0 + 1)), ("by another", inputs.Kernels.Scaled(inputs.Wide(4, 3), inputs.Wide(1).view([])))];

    private static List<(string, Tensor)> Squares(KernelInputs inputs)
    {
        var sum = inputs.Sum();
        inputs.Kernels.AddSquares(inputs.Wide(1001), sum);
        inputs.Kernels.AddSquares(inputs.Wide(3), sum);
        return [("sum", sum)];
    }

    private static List<(string, Tensor)> AdamW(KernelInputs inputs)
    {
        var (parameter, expAvg, expAvgSq) = (inputs.Wide(53), inputs.Wide(53), inputs.Wide(53).abs());
        for (var step = 3; step < 5; step++)
        {
            inputs.Kernels.AdamW(parameter, inputs.Wide(53), expAvg, expAvgSq, lr: 0.01, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1, step,
                gradientScale: 0.5);
        }

        return [("parameter", parameter), ("first moment", expAvg), ("second moment", expAvgSq)];
    }

    // Documents that begin at a row's first token, in the middle, and one after the other.
    private static PackedRows Rows(IReadOnlyList<(int Begin, int Count)> parts)
    {
        int[] starts = [0, 3, 40, 41, 127];
        var positions = Enumerable.Range(0, Batch * Tokens).Select(i => i < Tokens ? i - starts.Last(start => start <= i) : i - Tokens).ToArray();
        return new PackedRows(Batch, Tokens, tensor(positions), parts);
    }
}
