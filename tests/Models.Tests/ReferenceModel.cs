namespace KvShiftScale.Models.Tests;

/// <summary>
/// The model written a second time, in plain loops over float64 arrays, from the paper's equations and the Llama block: what the
/// product's tensors, kernels and gradients are compared with.
/// </summary>
internal sealed class ReferenceModel(ModelConfig config, IReadOnlyDictionary<string, double[]> weights)
{
    /// <summary>Sum of -log p(target) over targets that are not -100, for one row.</summary>
    public double LossSum(int[] ids, int[] targets, int[] positions)
    {
        var logits = Logits(ids, positions);
        var loss = 0.0;
        for (var t = 0; t < ids.Length; t++)
        {
            if (targets[t] == -100) continue;
            var largest = logits[t].Max();
            loss += largest + Math.Log(logits[t].Sum(value => Math.Exp(value - largest))) - logits[t][targets[t]];
        }
        return loss;
    }

    /// <summary>[tokens][vocabulary] for one row.</summary>
    public double[][] Logits(int[] ids, int[] positions)
    {
        var embedding = weights["model.embed_tokens.weight"];
        var x = new double[ids.Length][];
        for (var t = 0; t < ids.Length; t++) x[t] = embedding[(ids[t] * config.HiddenSize)..((ids[t] + 1) * config.HiddenSize)];
        for (var layer = 0; layer < config.Layers; layer++)
        {
            var name = $"model.layers.{layer}";
            x = Add(x, Attention(Norm(x, $"{name}.input_layernorm"), $"{name}.self_attn", positions, config.Attention(layer)));
            x = Add(x, FeedForward(Norm(x, $"{name}.post_attention_layernorm"), $"{name}.mlp"));
        }
        x = Norm(x, "model.norm");
        var head = config.TieEmbeddings ? embedding : weights["lm_head.weight"];
        return Product(x, head, config.VocabSize);
    }

    private double[][] Attention(double[][] x, string name, int[] positions, AttentionShape shape)
    {
        var (heads, kvHeads, headSize, window) = shape;
        var q = Product(x, weights[$"{name}.q_proj.weight"], heads * headSize);
        var k = Product(x, weights[$"{name}.k_proj.weight"], kvHeads * headSize);
        var v = Product(x, weights[$"{name}.v_proj.weight"], kvHeads * headSize);
        if (config.KvShift == KvShiftVariant.Kv)
        {
            k = Shift(k, weights[$"{name}.k_shift"], positions, headSize);
            v = Shift(v, weights[$"{name}.v_shift"], positions, headSize);
        }
        q = Rotate(q, heads, headSize, positions);
        k = Rotate(k, kvHeads, headSize, positions);
        var output = new double[x.Length][];
        for (var t = 0; t < x.Length; t++)
        {
            output[t] = new double[heads * headSize];
            for (var head = 0; head < heads; head++)
            {
                var kvHead = head / (heads / kvHeads);
                var first = window == 0 ? t - positions[t] : Math.Max(t - positions[t], t - window + 1);
                var scores = new double[t - first + 1];
                for (var s = first; s <= t; s++)
                {
                    for (var c = 0; c < headSize; c++) scores[s - first] += q[t][head * headSize + c] * k[s][kvHead * headSize + c];
                    scores[s - first] /= Math.Sqrt(headSize);
                }
                var largest = scores.Max();
                var total = scores.Sum(score => Math.Exp(score - largest));
                for (var s = first; s <= t; s++)
                {
                    var weight = Math.Exp(scores[s - first] - largest) / total;
                    for (var c = 0; c < headSize; c++) output[t][head * headSize + c] += weight * v[s][kvHead * headSize + c];
                }
            }
        }
        return Product(output, weights[$"{name}.o_proj.weight"], config.HiddenSize);
    }

    // a1 x_t + a2 x_(t-1), where column 0 of the scalars is a2 and column 1 is a1.
    private static double[][] Shift(double[][] x, double[] scalars, int[] positions, int headSize)
    {
        var mixed = new double[x.Length][];
        for (var t = 0; t < x.Length; t++)
        {
            mixed[t] = new double[x[t].Length];
            for (var i = 0; i < x[t].Length; i++)
            {
                var head = i / headSize;
                mixed[t][i] = scalars[2 * head + 1] * x[t][i] + (positions[t] == 0 ? 0 : scalars[2 * head] * x[t - 1][i]);
            }
        }
        return mixed;
    }

    private double[][] Rotate(double[][] x, int heads, int headSize, int[] positions)
    {
        var half = headSize / 2;
        var rotated = new double[x.Length][];
        for (var t = 0; t < x.Length; t++)
        {
            rotated[t] = new double[x[t].Length];
            for (var head = 0; head < heads; head++)
            {
                for (var pair = 0; pair < half; pair++)
                {
                    var angle = positions[t] * Math.Pow(config.RopeBase, -2.0 * pair / headSize);
                    var (first, second) = (x[t][head * headSize + pair], x[t][head * headSize + half + pair]);
                    rotated[t][head * headSize + pair] = first * Math.Cos(angle) - second * Math.Sin(angle);
                    rotated[t][head * headSize + half + pair] = second * Math.Cos(angle) + first * Math.Sin(angle);
                }
            }
        }
        return rotated;
    }

    private double[][] FeedForward(double[][] x, string name)
    {
        var gate = Product(x, weights[$"{name}.gate_proj.weight"], config.FfnSize);
        var up = Product(x, weights[$"{name}.up_proj.weight"], config.FfnSize);
        var product = gate.Select((row, t) => row.Select((value, i) => value / (1 + Math.Exp(-value)) * up[t][i]).ToArray()).ToArray();
        return Product(product, weights[$"{name}.down_proj.weight"], config.HiddenSize);
    }

    private double[][] Norm(double[][] x, string name)
    {
        var weight = weights[$"{name}.weight"];
        return [.. x.Select(row =>
        {
            var inverse = 1 / Math.Sqrt(row.Sum(value => value * value) / row.Length + config.NormEpsilon);
            return row.Select((value, i) => value * inverse * weight[i]).ToArray();
        })];
    }

    // x W^T with W [outputs, inputs].
    private static double[][] Product(double[][] x, double[] weight, int outputs)
    {
        var result = new double[x.Length][];
        for (var t = 0; t < x.Length; t++)
        {
            result[t] = new double[outputs];
            for (var o = 0; o < outputs; o++)
            {
                var sum = 0.0;
                for (var i = 0; i < x[t].Length; i++) sum += x[t][i] * weight[o * x[t].Length + i];
                result[t][o] = sum;
            }
        }
        return result;
    }

    private static double[][] Add(double[][] a, double[][] b) => [.. a.Select((row, t) => row.Select((value, i) => value + b[t][i]).ToArray())];
}
