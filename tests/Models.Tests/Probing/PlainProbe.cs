using KvShiftScale.Models.Configuration;

namespace KvShiftScale.Models.Tests.Probing;

/// <summary>
/// The scores of docs/probes.md written a second time, in plain loops over float64 arrays: attention is followed token by token to the raw
/// values that it brings, and each value to the logits that it raises.
/// </summary>
internal sealed class PlainProbe(ModelConfig config, IReadOnlyDictionary<string, double[]> weights, int length)
{
    /// <summary>Means over <paramref name="rows"/> of 2 * length ids.</summary>
    public (double Accuracy, double First, double Second, double[][] PrefixMatching, double[][] Copying) Run(IReadOnlyList<int[]> rows)
    {
        var prefix = Enumerable.Range(0, config.Layers).Select(layer => new double[config.Attention(layer).Heads]).ToArray();
        var copying = Enumerable.Range(0, config.Layers).Select(layer => new double[config.Attention(layer).Heads]).ToArray();
        var (accuracy, first, second) = (0.0, 0.0, 0.0);
        foreach (var ids in rows)
        {
            var logits = Logits(ids, prefix, copying, rows.Count);
            for (var t = 0; t < length - 1; t++)
            {
                first += Loss(logits[t], ids[t + 1]);
                second += Loss(logits[length + t], ids[length + t + 1]);
                accuracy += Array.IndexOf(logits[length + t], logits[length + t].Max()) == ids[length + t + 1] ? 1 : 0;
            }
        }
        var count = rows.Count * (length - 1);
        return (accuracy / count, first / count, second / count, prefix, copying);
    }

    private double[][] Logits(int[] ids, double[][] prefix, double[][] copying, int rowCount)
    {
        var head = config.TieEmbeddings ? weights["model.embed_tokens.weight"] : weights["lm_head.weight"];
        var x = ids.Select(id => Row(weights["model.embed_tokens.weight"], id, config.HiddenSize)).ToArray();
        for (var layer = 0; layer < config.Layers; layer++)
        {
            var name = $"model.layers.{layer}";
            var (heads, kvHeads, headSize, window) = config.Attention(layer);
            var normed = x.Select(row => Norm(row, $"{name}.input_layernorm")).ToArray();
            var q = normed.Select(row => Product(weights[$"{name}.self_attn.q_proj.weight"], row)).ToArray();
            var k = normed.Select(row => Product(weights[$"{name}.self_attn.k_proj.weight"], row)).ToArray();
            var v = normed.Select(row => Product(weights[$"{name}.self_attn.v_proj.weight"], row)).ToArray();
            var output = weights[$"{name}.self_attn.o_proj.weight"];
            q = Shifted(q, heads, headSize, $"{name}.self_attn.q_shift");
            k = Shifted(k, kvHeads, headSize, $"{name}.self_attn.k_shift");
            var result = x.Select(_ => new double[heads * headSize]).ToArray();
            for (var h = 0; h < heads; h++)
            {
                var kv = h / (heads / kvHeads);
                var lags = Lags($"{name}.self_attn.v_shift", kv, kvHeads);
                for (var t = 0; t < ids.Length; t++)
                {
                    // What token t takes of each raw value.
                    var taken = new double[t + 1];
                    var from = window == 0 ? 0 : Math.Max(0, t - window + 1);
                    var attention = Attention(q[t], k, h, kv, headSize, from, t);
                    for (var j = from; j <= t; j++)
                    {
                        for (var lag = 0; lag < lags.Length && lag <= j; lag++)
                        {
                            taken[j - lag] += lags[lag] * attention[j - from];
                        }
                    }
                    for (var j = 0; j <= t; j++)
                    {
                        for (var c = 0; c < headSize; c++)
                        {
                            result[t][h * headSize + c] += taken[j] * v[j][kv * headSize + c];
                        }
                    }
                    if (t >= length && t < 2 * length - 1)
                    {
                        prefix[layer][h] += Math.Abs(taken[t - length + 1]) / Math.Max(taken.Sum(Math.Abs), double.Epsilon) / (length - 1) / rowCount;
                    }
                }
                for (var i = 0; i < length; i++)
                {
                    // The value of token i through this head's part of o_proj, and what that adds to the logits of the sequence's tokens.
                    var direction = new double[config.HiddenSize];
                    for (var d = 0; d < direction.Length; d++)
                    {
                        for (var c = 0; c < headSize; c++)
                        {
                            direction[d] += output[d * heads * headSize + h * headSize + c] * v[i][kv * headSize + c];
                        }

                        direction[d] *= weights["model.norm.weight"][d];
                    }
                    var raised = ids[..length].Select(id => Dot(Row(head, id, config.HiddenSize), direction)).ToArray();
                    var others = raised.Where((_, other) => other != i).ToArray();
                    var up = others.Count(value => value < raised[i]) / (length - 1.0);
                    var down = others.Count(value => value > raised[i]) / (length - 1.0);
                    var total = lags.Sum(Math.Abs);
                    var positive = total == 0 ? 0.5 : lags.Sum(weight => Math.Max(weight, 0)) / total;
                    copying[layer][h] += (positive * up + (1 - positive) * down) / length / rowCount;
                }
            }
            x = [.. x.Select((row, t) => Add(row, Product(output, result[t])))];
            x = [.. x.Select(row => Add(row, FeedForward(Norm(row, $"{name}.post_attention_layernorm"), $"{name}.mlp")))];
        }
        return [.. x.Select(row => Product(head, Norm(row, "model.norm")))];
    }

    /// <summary>Effective weights of one head by how far back they reach, from 0.</summary>
    public double[] Lags(string name, int head, int heads)
    {
        if (!weights.TryGetValue(name, out var scalars))
        {
            return [1];
        }

        var own = scalars[(head * scalars.Length / heads)..((head + 1) * scalars.Length / heads)];
        return config.KvShift switch
        {
            KvShiftVariant.Gate => [1 / (1 + Math.Exp(-own[0])), 1 - 1 / (1 + Math.Exp(-own[0]))],
            KvShiftVariant.Clip => [.. own.Select(value => Math.Clamp(value, 0, 1)).Reverse()],
            _ => [.. own.Reverse()],
        };
    }

    private double[][] Shifted(double[][] x, int heads, int headSize, string name)
    {
        var mixed = x.Select(row => new double[row.Length]).ToArray();
        for (var head = 0; head < heads; head++)
        {
            var lags = Lags(name, head, heads);
            for (var t = 0; t < x.Length; t++)
            {
                for (var lag = 0; lag < lags.Length && lag <= t; lag++)
                {
                    for (var c = head * headSize; c < (head + 1) * headSize; c++)
                    {
                        mixed[t][c] += lags[lag] * x[t - lag][c];
                    }
                }
            }
        }
        return mixed;
    }

    // Of query t over keys from the first that it sees to its own.
    private double[] Attention(double[] q, double[][] k, int h, int kv, int headSize, int from, int t)
    {
        var query = Rotate(q[(h * headSize)..((h + 1) * headSize)], t);
        var scores = Enumerable.Range(from, t - from + 1)
            .Select(j => Math.Exp(Dot(query, Rotate(k[j][(kv * headSize)..((kv + 1) * headSize)], j)) / Math.Sqrt(headSize))).ToArray();
        var sum = scores.Sum();
        return [.. scores.Select(score => score / sum)];
    }

    private double[] Rotate(double[] x, int position)
    {
        var rotated = new double[x.Length];
        for (var pair = 0; pair < x.Length / 2; pair++)
        {
            var (sin, cos) = Math.SinCos(position * Math.Pow(config.RopeBase, -2.0 * pair / x.Length));
            rotated[pair] = x[pair] * cos - x[pair + x.Length / 2] * sin;
            rotated[pair + x.Length / 2] = x[pair + x.Length / 2] * cos + x[pair] * sin;
        }
        return rotated;
    }

    private double[] FeedForward(double[] x, string name)
    {
        var gate = Product(weights[$"{name}.gate_proj.weight"], x);
        var up = Product(weights[$"{name}.up_proj.weight"], x);
        return Product(weights[$"{name}.down_proj.weight"], [.. gate.Zip(up, (g, u) => g / (1 + Math.Exp(-g)) * u)]);
    }

    private double[] Norm(double[] x, string name)
    {
        var scale = 1 / Math.Sqrt(Dot(x, x) / x.Length + config.NormEpsilon);
        return [.. x.Zip(weights[$"{name}.weight"], (value, weight) => value * scale * weight)];
    }

    private static double Loss(double[] logits, int target) => Math.Log(logits.Sum(Math.Exp)) - logits[target];

    private static double[] Product(double[] matrix, double[] x)
        => [.. Enumerable.Range(0, matrix.Length / x.Length).Select(row => Dot(Row(matrix, row, x.Length), x))];

    private static double[] Row(double[] matrix, int row, int width) => matrix[(row * width)..((row + 1) * width)];

    private static double Dot(double[] a, double[] b) => a.Zip(b, (x, y) => x * y).Sum();

    private static double[] Add(double[] a, double[] b) => [.. a.Zip(b, (x, y) => x + y)];
}
