using KvShiftScale.Models.Configuration;
using KvShiftScale.Parallel.Kernels;

namespace KvShiftScale.Models.Tests.Reference;

/// <summary>
/// The model written a second time, in plain loops over float64 scalars, from the paper's equations and the Llama block: what the
/// product's tensors, kernels and gradients are compared with. Gradients come from a tape of the same loops. It shares no code with
/// src/ but the record of the configuration.
/// </summary>
internal sealed class ReferenceModel(ModelConfig config, IReadOnlyDictionary<string, double[]> weights)
{
    private Dictionary<string, Number[]> _weights = [];

    /// <summary>Sum of -log p(target) over targets that are not -100, over all rows.</summary>
    public double LossSum(TestRows rows)
    {
        _weights = weights.ToDictionary(entry => entry.Key, entry => Array.ConvertAll(entry.Value, value => new Number(value)));
        return Loss(rows).Sum.Value;
    }

    /// <summary>The loss, the logits [row][token][vocabulary] in one array, and the gradient of the loss by name.</summary>
    public (double Loss, double[] Logits, Dictionary<string, double[]> Gradients) Differentiate(TestRows rows)
    {
        var tape = new Tape();
        _weights = weights.ToDictionary(entry => entry.Key, entry => Array.ConvertAll(entry.Value, tape.Variable));
        var (sum, logits) = Loss(rows);
        var gradient = tape.Gradient(sum);
        return (sum.Value, [.. logits.SelectMany(row => row).Select(logit => logit.Value)],
            _weights.ToDictionary(entry => entry.Key, entry => Array.ConvertAll(entry.Value, weight => gradient[weight.Node])));
    }

    private (Number Sum, List<Number[]> Logits) Loss(TestRows rows)
    {
        Number sum = 0;
        var all = new List<Number[]>();
        for (var row = 0; row < rows.Ids.Length; row++)
        {
            var logits = Logits(rows.Ids[row], rows.Positions[row]);
            for (var t = 0; t < logits.Length; t++)
            {
                if (rows.Targets[row][t] != -100)
                {
                    sum += LogOfSumOfExponentials(logits[t]) - logits[t][rows.Targets[row][t]];
                }
            }
            all.AddRange(logits);
        }
        return (sum, all);
    }

    // [tokens][vocabulary] of one row.
    private Number[][] Logits(int[] ids, int[] positions)
    {
        var embedding = _weights["model.embed_tokens.weight"];
        var x = new Number[ids.Length][];
        for (var t = 0; t < ids.Length; t++)
        {
            x[t] = embedding[(ids[t] * config.HiddenSize)..((ids[t] + 1) * config.HiddenSize)];
        }

        for (var layer = 0; layer < config.Layers; layer++)
        {
            var name = $"model.layers.{layer}";
            x = Add(x, Attention(Norm(x, $"{name}.input_layernorm"), $"{name}.self_attn", config.Attention(layer), positions));
            x = Add(x, FeedForward(Norm(x, $"{name}.post_attention_layernorm"), $"{name}.mlp"));
        }
        return Product(Norm(x, "model.norm"), config.TieEmbeddings ? embedding : _weights["lm_head.weight"], config.VocabSize);
    }

    private Number[][] Attention(Number[][] x, string name, AttentionShape shape, int[] positions)
    {
        var size = shape.HeadSize;
        var q = Product(x, _weights[$"{name}.q_proj.weight"], shape.Heads * size);
        var k = Product(x, _weights[$"{name}.k_proj.weight"], shape.KvHeads * size);
        var v = Product(x, _weights[$"{name}.v_proj.weight"], shape.KvHeads * size);
        var variant = config.KvShift;
        if (variant is KvShiftVariant.Qkv)
        {
            q = Shift(q, $"{name}.q_shift", size, positions);
        }

        if (variant is not (KvShiftVariant.None or KvShiftVariant.V))
        {
            k = Shift(k, $"{name}.k_shift", size, positions);
        }

        if (variant is not (KvShiftVariant.None or KvShiftVariant.K))
        {
            v = Shift(v, $"{name}.v_shift", size, positions);
        }

        q = Rotate(q, shape.Heads, size, positions);
        k = Rotate(k, shape.KvHeads, size, positions);
        var output = new Number[x.Length][];
        for (var t = 0; t < x.Length; t++)
        {
            output[t] = new Number[shape.Heads * size];
            var first = shape.Window == 0 ? t - positions[t] : Math.Max(t - positions[t], t - shape.Window + 1);
            for (var head = 0; head < shape.Heads; head++)
            {
                var kvHead = head / (shape.Heads / shape.KvHeads);
                var scores = new Number[t - first + 1];
                for (var s = first; s <= t; s++)
                {
                    scores[s - first] = Number.Dot(q[t].AsSpan(head * size, size), k[s].AsSpan(kvHead * size, size)) / Math.Sqrt(size);
                }

                var logTotal = LogOfSumOfExponentials(scores);
                for (var s = first; s <= t; s++)
                {
                    var weight = Number.Exp(scores[s - first] - logTotal);
                    for (var c = 0; c < size; c++)
                    {
                        output[t][head * size + c] += weight * v[s][kvHead * size + c];
                    }
                }
            }
        }
        return Product(output, _weights[$"{name}.o_proj.weight"], config.HiddenSize);
    }

    // Sum over lags of weight(head, lag) * x[t - lag], as far as the document goes back.
    private Number[][] Shift(Number[][] x, string name, int size, int[] positions)
    {
        var scalars = _weights[name];
        var heads = x[0].Length / size;
        var mixed = new Number[x.Length][];
        for (var t = 0; t < x.Length; t++)
        {
            mixed[t] = new Number[x[t].Length];
            for (var head = 0; head < heads; head++)
            {
                var byLag = WeightsByLag(scalars.AsSpan(head * scalars.Length / heads, scalars.Length / heads));
                for (var lag = 0; lag < byLag.Length && lag <= positions[t]; lag++)
                {
                    for (var c = head * size; c < (head + 1) * size; c++)
                    {
                        mixed[t][c] += byLag[lag] * x[t - lag][c];
                    }
                }
            }
        }
        return mixed;
    }

    // The current token's weight first; parameters hold it last.
    private Number[] WeightsByLag(ReadOnlySpan<Number> scalars)
    {
        switch (config.KvShift)
        {
            case KvShiftVariant.Gate:
                var current = 1 / (1 + Number.Exp(0 - scalars[0]));
                return [current, 1 - current];
            case KvShiftVariant.Clip:
                return [Number.Clip(scalars[1]), Number.Clip(scalars[0])];
            case KvShiftVariant.Window3:
                return [scalars[2], scalars[1], scalars[0]];
            case KvShiftVariant.Window4:
                return [scalars[3], scalars[2], scalars[1], scalars[0]];
            default:
                return [scalars[1], scalars[0]];
        }
    }

    private Number[][] Rotate(Number[][] x, int heads, int size, int[] positions)
    {
        var half = size / 2;
        var rotated = new Number[x.Length][];
        for (var t = 0; t < x.Length; t++)
        {
            rotated[t] = new Number[x[t].Length];
            for (var head = 0; head < heads; head++)
            {
                for (var pair = 0; pair < half; pair++)
                {
                    var angle = positions[t] * Math.Pow(config.RopeBase, -2.0 * pair / size);
                    var (first, second) = (x[t][head * size + pair], x[t][head * size + half + pair]);
                    rotated[t][head * size + pair] = first * Math.Cos(angle) - second * Math.Sin(angle);
                    rotated[t][head * size + half + pair] = second * Math.Cos(angle) + first * Math.Sin(angle);
                }
            }
        }
        return rotated;
    }

    private Number[][] FeedForward(Number[][] x, string name)
    {
        var gate = Product(x, _weights[$"{name}.gate_proj.weight"], config.FfnSize);
        var up = Product(x, _weights[$"{name}.up_proj.weight"], config.FfnSize);
        var product = gate.Select((row, t) => row.Select((value, i) => value / (1 + Number.Exp(0 - value)) * up[t][i]).ToArray()).ToArray();
        return Product(product, _weights[$"{name}.down_proj.weight"], config.HiddenSize);
    }

    private Number[][] Norm(Number[][] x, string name)
    {
        var weight = _weights[$"{name}.weight"];
        return [.. x.Select(row =>
        {
            var root = Number.Sqrt(Number.Dot(row, row) / row.Length + config.NormEpsilon);
            return row.Select((value, i) => value / root * weight[i]).ToArray();
        })];
    }

    // The largest is taken out as a constant: it cancels, in the value and in the slope.
    private static Number LogOfSumOfExponentials(Number[] x)
    {
        var largest = x.Max(value => value.Value);
        Number sum = 0;
        foreach (var value in x)
        {
            sum += Number.Exp(value - largest);
        }

        return largest + Number.Log(sum);
    }

    // x W^T with W [outputs, inputs].
    private static Number[][] Product(Number[][] x, Number[] weight, int outputs)
        => [.. x.Select(row => Enumerable.Range(0, outputs).Select(o => Number.Dot(row, weight.AsSpan(o * row.Length, row.Length))).ToArray())];

    private static Number[][] Add(Number[][] a, Number[][] b) => [.. a.Select((row, t) => row.Select((value, i) => value + b[t][i]).ToArray())];
}
