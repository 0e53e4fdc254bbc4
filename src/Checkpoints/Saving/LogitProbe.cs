using KvShiftScale.Checkpoints.Manifests;
using KvShiftScale.Models;
using KvShiftScale.Models.Configuration;
using KvShiftScale.Models.Layout;
using KvShiftScale.Parallel.Control;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Parallel.Regions;
using static TorchSharp.torch;

namespace KvShiftScale.Checkpoints.Saving;

/// <summary>
/// Logits of a fixed pseudo-random row, at fixed places: what a model computes, in a few numbers that every layout can give. A model
/// that was put together wrongly from good parameters has others. The row is short, since training waits for it at each save.
/// </summary>
/// <param name="model">This rank's part of the model.</param>
/// <param name="ranks">All ranks of the launch.</param>
internal sealed class LogitProbe(KvShiftTransformer model, ParallelContext ranks)
{
    /// <summary>Tokens of the row, where the model's context has as many.</summary>
    public const int Tokens = 128;

    private const int Places = 16;

    // Places where the random numbers of ids, tokens of the row and tokens looked at begin.
    private const ulong RowSeed = 1UL << 32;
    private const ulong TokenSeed = 2UL << 32;
    private const ulong IdSeed = 3UL << 32;

    /// <summary>The logits; none where one of them is no finite number. Collective.</summary>
    /// <param name="probed">Tokens among which the places are.</param>
    public double[] Measure(int probed = Tokens)
    {
        using var mode = no_grad();
        using var scope = NewDisposeScope();
        probed = Math.Min(probed, model.Context);
        // What this layout divides a row into evenly. No token sees those after it, so that more of them change nothing.
        var parts = ranks.Tensor.Size * (ranks.Context.Size > 1 ? 2 * ranks.Context.Size : 1);
        var tokens = Math.Min((probed + parts - 1) / parts * parts, model.Context);
        var row = new int[tokens];
        for (var i = 0; i < tokens; i++)
        {
            row[i] = Draw(RowSeed, i, model.Config.VocabSize);
        }

        using var layout = new TokenLayout(1, tokens, arange(tokens, int32), new ContextRegion(ranks.Context));

        // Of the places, those whose token and id are this rank's own; all ranks of a tensor-parallel group look at the same tokens.
        var (numbers, places) = (new List<long>(), new List<int>());
        for (var place = 0; place < Places; place++)
        {
            if (OwnNumberOf(Draw(TokenSeed, place, probed), layout) is not { } number)
            {
                continue;
            }

            numbers.Add(number);
            places.Add(place);
        }
        // Every rank takes part in the forward pass, though it may have none of the tokens, or not the head.
        var result = new double[Places];
        if (model.ThroughStages(layout.TakeOwn(tensor(row)).to(model.Parameters.Device), layout,
            input => model.LogitsAt(input, layout, tensor(numbers.Count > 0 ? numbers.ToArray() : [0L]))) is { } given)
        {
            var logits = given.to(ScalarType.Float64).cpu();
            for (var i = 0; i < places.Count; i++)
            {
                var id = Draw(IdSeed, places[i], model.Config.VocabSize) - model.HeadShard.Start;
                if (id >= 0 && id < model.HeadShard.ValidExtent)
                {
                    result[places[i]] = logits.narrow(0, i, 1).narrow(1, id, 1).item<double>();
                }
            }
        }

        ranks.Tensor.Sum<double>(result);
        ranks.Context.Sum<double>(result);
        ranks.Pipeline.Sum<double>(result);
        return Array.TrueForAll(result, double.IsFinite) ? result : [];
    }

    /// <summary>
    /// How far two runs of one model may be apart, relative to the largest logit: sums in another order, and the rounding of every
    /// operation where the number format is a short one.
    /// </summary>
    public static double ToleranceOf(Precision precision) => precision switch
    {
        Precision.Fp64 => 1e-9,
        Precision.Fp32 => 1e-3,
        _ => 0.1,
    };

    /// <summary>The largest difference, relative to the largest logit; 0 where there is nothing to compare.</summary>
    public static double Difference(IReadOnlyList<double> before, IReadOnlyList<double> now)
    {
        if (before.Count == 0)
        {
            return 0;
        }

        if (before.Count != now.Count)
        {
            return double.PositiveInfinity;
        }

        var largest = before.Max(Math.Abs);
        var difference = before.Zip(now, (a, b) => Math.Abs(a - b)).Max();
        return difference == 0 ? 0 : difference / largest;
    }

    private static int Draw(ulong seed, int index, int below) => (int)(ElementHash.Mix(seed + (ulong)index) % (ulong)below);

    private static long? OwnNumberOf(int token, TokenLayout layout)
    {
        var number = 0L;
        foreach (var (begin, count) in layout.OwnParts)
        {
            if (token >= begin && token < begin + count)
            {
                return number + token - begin;
            }

            number += count;
        }
        return null;
    }
}
