using System.Text.Json.Nodes;
using KvShiftScale.Checkpoints.ModelFolders;
using KvShiftScale.Checkpoints.Safetensors;
using static TorchSharp.torch;
using static TorchSharp.torch.nn.functional;

namespace KvShiftScale.Trainer.Tests.ModelFiles;

/// <summary>
/// A model folder computed with the tensor library's own operations in float64, in another way than the product does: the shift is a
/// depthwise convolution over time, the rotation multiplies complex numbers, attention is a softmax over a full mask, and the loss is the
/// library's cross entropy. Nothing here is shared with src/ but the reader of files, whose bytes other tests hold.
/// </summary>
internal sealed class PlainTransformer : IDisposable
{
    private readonly Dictionary<string, Tensor> _stored = [];
    private readonly JsonObject _config;

    /// <param name="folder">A folder under the product's own names.</param>
    public PlainTransformer(string folder)
    {
        _config = JsonNode.Parse(File.ReadAllBytes(Path.Combine(folder, "config.json")))!.AsObject();
        using var files = WeightFiles.Open(folder);
        foreach (var name in files.Names)
        {
            var entry = files.Entry(name);
            var values = empty([.. entry.Shape], ScalarType.Float32);
            files.ReadElements(name, 0, values.view(-1));
            _stored.Add(name, values);
        }
    }

    /// <summary>Mean negative log-likelihood and number of targets; a document is cut into windows that stand alone.</summary>
    public (double Loss, long Tokens) Loss(IEnumerable<int[]> documents, int context)
    {
        using var mode = no_grad();
        var (total, count) = (0.0, 0L);
        foreach (var ids in documents)
        {
            for (var start = 0; start < ids.Length - 1; start += context)
            {
                using var scope = NewDisposeScope();
                long[] window = [.. ids.Skip(start).Take(context + 1).Select(id => (long)id)];
                var targets = tensor(window[1..]);
                total += cross_entropy(Logits(window[..^1]), targets, reduction: nn.Reduction.Sum).item<double>();
                count += window.Length - 1;
            }
        }

        return (total / count, count);
    }

    /// <summary>Writes the same tensors, after a way through the library's own file format, in two files and another order.</summary>
    public void Save(string folder)
    {
        Directory.CreateDirectory(folder);
        var names = _stored.Keys.OrderDescending(StringComparer.Ordinal).ToArray();
        var map = new JsonObject();
        foreach (var part in (int[])[0, 1])
        {
            var file = $"model-0000{part + 1}-of-00002.safetensors";
            var own = names.Where((_, index) => index % 2 == part).ToArray();
            using var writer = new SafetensorsWriter(Path.Combine(folder, file), own.Select(name => new SafetensorsEntry(name, SafetensorsType.F32, _stored[name].shape)));
            foreach (var entry in writer.Entries)
            {
                var beside = Path.Combine(folder, "tensor.pt");
                _stored[entry.Name].save(beside);
                using var loaded = load(beside);
                File.Delete(beside);
                writer.Write(entry.Name, loaded.contiguous().bytes);
                map[entry.Name] = file;
            }

            writer.Complete();
        }

        File.WriteAllText(Path.Combine(folder, "model.safetensors.index.json"), new JsonObject { ["weight_map"] = map }.ToJsonString());
        File.WriteAllText(Path.Combine(folder, "config.json"), _config.ToJsonString());
    }

    public void Dispose()
    {
        foreach (var tensor in _stored.Values)
        {
            tensor.Dispose();
        }
    }

    private Tensor Logits(long[] ids)
    {
        var (heads, kvHeads, size) = (Whole("num_attention_heads"), Whole("num_key_value_heads"), Whole("head_dim"));
        var tokens = ids.Length;
        var frequencies = pow((double)_config["rope_theta"]!, arange(0, size, 2, ScalarType.Float64).neg() / size);
        var angles = outer(arange(tokens, ScalarType.Float64), frequencies);
        var turn = polar(ones_like(angles), angles);
        var mask = full([tokens, tokens], double.NegativeInfinity, ScalarType.Float64).triu(1);
        var x = W("model.embed_tokens.weight").index_select(0, tensor(ids));
        for (var layer = 0; layer < Whole("num_hidden_layers"); layer++)
        {
            var prefix = $"model.layers.{layer}.";
            var y = Norm(x, prefix + "input_layernorm.weight");
            var q = Split(linear(y, W($"{prefix}self_attn.q_proj.weight")), heads);
            var k = Shift(Split(linear(y, W($"{prefix}self_attn.k_proj.weight")), kvHeads), prefix + "self_attn.k_shift");
            var v = Shift(Split(linear(y, W($"{prefix}self_attn.v_proj.weight")), kvHeads), prefix + "self_attn.v_shift");
            q = Rotate(q);
            k = Rotate(k).repeat_interleave(heads / kvHeads, 0);
            v = v.repeat_interleave(heads / kvHeads, 0);
            var mixed = softmax(q.matmul(k.transpose(1, 2)) * Math.Pow(size, -0.5) + mask, -1).matmul(v);
            x += linear(mixed.transpose(0, 1).reshape(tokens, heads * size), W(prefix + "self_attn.o_proj.weight"));
            y = Norm(x, prefix + "post_attention_layernorm.weight");
            x += linear(silu(linear(y, W(prefix + "mlp.gate_proj.weight"))) * linear(y, W(prefix + "mlp.up_proj.weight")), W(prefix + "mlp.down_proj.weight"));
        }

        return linear(Norm(x, "model.norm.weight"), W((bool)_config["tie_word_embeddings"]! ? "model.embed_tokens.weight" : "lm_head.weight"));

        Tensor Norm(Tensor input, string name)
            => input * rsqrt(input.square().mean([-1], keepdim: true) + (double)_config["rms_norm_eps"]!) * W(name);

        Tensor Split(Tensor input, int count) => input.view(tokens, count, size).transpose(0, 1);

        // Pairs (i, i + size / 2) as complex numbers.
        Tensor Rotate(Tensor input)
        {
            var turned = complex(input.narrow(-1, 0, size / 2).contiguous(), input.narrow(-1, size / 2, size / 2).contiguous()) * turn;
            return cat([turned.real, turned.imag], -1);
        }

        // [kv_heads, tokens, size]: every channel of a head is a sequence for the same kernel [previous, current].
        Tensor Shift(Tensor input, string name) => _stored.ContainsKey(name)
            ? conv1d(pad(input.permute(2, 0, 1), [1, 0]), W(name).unsqueeze(1), groups: kvHeads).permute(1, 2, 0)
            : input;
    }

    private int Whole(string key) => (int)_config[key]!;

    private Tensor W(string name) => _stored[name].to(ScalarType.Float64);
}
