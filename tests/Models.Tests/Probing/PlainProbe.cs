namespace KvShiftScale.Models.Tests.Probing;

/// <summary>
/// The scores of docs/probes.md written a second time, in plain loops over float64 arrays: attention is followed token by token to the raw
/// values that it brings, and each value to the logits that it raises.
/// </summary>
internal sealed class PlainProbe(ModelConfig config, IReadOnlyDictionary<string, double[]> weights, int length)
{
    private readonly int _headSize = config.ResolvedHeadSize;
    private readonly int _group = config.Heads / config.ResolvedKvHeads;

    /// <summary>Means over <paramref name="rows"/> of 2 * length ids.</summary>
    public (double Accuracy, double First, double Second, double[][] PrefixMatching, double[][] Copying) Run(IReadOnlyList<int[]> rows)
    {
        var prefix = Enumerable.Range(0, config.Layers).Select(_ => new double[config.Heads]).ToArray();
        var copying = Enumerable.Range(0, config.Layers).Select(_ => new double[config.Heads]).ToArray();
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
            var normed = x.Select(row => Norm(row, $"{name}.input_layernorm")).ToArray();
            var q = normed.Select(row => Product(weights[$"{name}.self_attn.q_proj.weight"], row)).ToArray();
            var k = normed.Select(row => Product(weights[$"{name}.self_attn.k_proj.weight"], row)).ToArray();
            var v = normed.Select(row => Product(weights[$"{name}.self_attn.v_proj.weight"], row)).ToArray();
            var output = weights[$"{name}.self_attn.o_proj.weight"];
            var keyShift = config.KvShift == KvShiftVariant.None ? null : weights[$"{name}.self_attn.k_shift"];
            var valueShift = config.KvShift == KvShiftVariant.None ? null : weights[$"{name}.self_attn.v_shift"];
            var result = x.Select(_ => new double[config.Heads * _headSize]).ToArray();
            for (var h = 0; h < config.Heads; h++)
            {
                var kv = h / _group;
                var (b1, b2) = valueShift is null ? (1.0, 0.0) : (valueShift[2 * kv + 1], valueShift[2 * kv]);
                for (var t = 0; t < ids.Length; t++)
                {
                    // What token t takes of each raw value.
                    var taken = new double[t + 1];
                    var attention = Attention(q, k, keyShift, h, kv, t);
                    for (var j = 0; j <= t; j++)
                    {
                        taken[j] += b1 * attention[j];
                        if (j > 0) taken[j - 1] += b2 * attention[j];
                    }
                    for (var j = 0; j <= t; j++)
                    {
                        for (var c = 0; c < _headSize; c++) result[t][h * _headSize + c] += taken[j] * v[j][kv * _headSize + c];
                    }
                    if (t >= length && t < 2 * length - 1)
                        prefix[layer][h] += Math.Abs(taken[t - length + 1]) / taken.Sum(Math.Abs) / (length - 1) / rowCount;
                }
                for (var i = 0; i < length; i++)
                {
                    // The value of token i through this head's part of o_proj, and what that adds to the logits of the sequence's tokens.
                    var direction = new double[config.HiddenSize];
                    for (var d = 0; d < direction.Length; d++)
                    {
                        for (var c = 0; c < _headSize; c++)
                            direction[d] += output[d * config.Heads * _headSize + h * _headSize + c] * v[i][kv * _headSize + c];
                        direction[d] *= weights["model.norm.weight"][d];
                    }
                    var raised = ids[..length].Select(id => Dot(Row(head, id, config.HiddenSize), direction)).ToArray();
                    var others = raised.Where((_, other) => other != i).ToArray();
                    var up = others.Count(value => value < raised[i]) / (length - 1.0);
                    var down = others.Count(value => value > raised[i]) / (length - 1.0);
                    var positive = (Math.Max(b1, 0) + Math.Max(b2, 0)) / (Math.Abs(b1) + Math.Abs(b2));
                    copying[layer][h] += (positive * up + (1 - positive) * down) / length / rowCount;
                }
            }
            x = [.. x.Select((row, t) => Add(row, Product(output, result[t])))];
            x = [.. x.Select(row => Add(row, FeedForward(Norm(row, $"{name}.post_attention_layernorm"), $"{name}.mlp")))];
        }
        return [.. x.Select(row => Product(head, Norm(row, "model.norm")))];
    }

    private double[] Attention(double[][] q, double[][] k, double[]? shift, int h, int kv, int t)
    {
        var (a1, a2) = shift is null ? (1.0, 0.0) : (shift[2 * kv + 1], shift[2 * kv]);
        var query = Rotate(q[t][(h * _headSize)..((h + 1) * _headSize)], t);
        var scores = new double[t + 1];
        for (var j = 0; j <= t; j++)
        {
            var mixed = new double[_headSize];
            for (var c = 0; c < _headSize; c++)
                mixed[c] = a1 * k[j][kv * _headSize + c] + (j == 0 ? 0 : a2 * k[j - 1][kv * _headSize + c]);
            scores[j] = Math.Exp(Dot(query, Rotate(mixed, j)) / Math.Sqrt(_headSize));
        }
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
