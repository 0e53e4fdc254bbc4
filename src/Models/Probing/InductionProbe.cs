using System.Text.Json;
using KvShiftScale.Core.Text;
using KvShiftScale.Models.Layout;
using KvShiftScale.Parallel.Control;
using static TorchSharp.torch;

namespace KvShiftScale.Models.Probing;

/// <summary>
/// Measures induction: the model reads random sequences that are repeated once and is scored on the repetition, its heads on how they
/// bring it about (prefix matching and copying, after Olsson et al. 2022, arXiv 2209.11895). Computes no gradient, draws from no
/// generator of libtorch and leaves nothing behind; a run is the same with and without it.
/// </summary>
public sealed class InductionProbe
{
    /// <summary>Sequences of one probe.</summary>
    public const int Sequences = 8;

    /// <summary>Upper bound on the tokens of one copy.</summary>
    public const int MaximumLength = 64;

    private readonly KvShiftTransformer _model;
    private readonly int[] _ids;
    private readonly int[] _positions;

    /// <param name="model">The model to look at; it may be trained on between probes.</param>
    /// <param name="candidates">
    /// The ids to draw from, each once. Ids that the model never sees in training would measure how it treats untrained embeddings.
    /// </param>
    /// <exception cref="ArgumentException">Two copies of two tokens do not fit the context, or there are not two ids.</exception>
    public InductionProbe(KvShiftTransformer model, IReadOnlyList<int> candidates)
    {
        _model = model;
        Length = Math.Min(MaximumLength, Math.Min(model.Context / 2, candidates.Count));
        // Sequence-parallel ranks take equal parts of all tokens.
        if (model.Region.IsSequenceParallel && Sequences * 2 * Length % model.Region.Size != 0)
        {
            Length -= Length % model.Region.Size;
        }

        if (Length < 2)
        {
            throw new ArgumentException($"a probe needs a context of 4 and 2 ids; there are {model.Context} and {candidates.Count}", nameof(model));
        }

        _ids = RepeatedSequences.Make(candidates, Length, Sequences);
        _positions = [.. Enumerable.Repeat(Enumerable.Range(0, 2 * Length), Sequences).SelectMany(row => row)];
    }

    /// <summary>Tokens of one copy.</summary>
    public int Length { get; }

    /// <summary>
    /// Looks at the model as it is now. Collective over the ranks that divide it, those of all its stages; all of them get the same scores.
    /// </summary>
    public InductionScores Run()
    {
        using var mode = no_grad();
        using var scope = NewDisposeScope();
        var device = _model.Parameters.Device;
        var ids = tensor(_ids, device: device);
        using var layout = new TokenLayout(Sequences, 2 * Length, tensor(_positions));
        var heads = new HeadScores(_model.UnembeddingRows(tensor(FirstCopies(), device: device)), Length, _model.Region.Group);
        var layers = new SortedDictionary<int, LayerScores>();
        var observer = new ForwardObserver { Attention = (layer, view) => layers[layer] = heads.Of(view) };
        var hidden = _model.ThroughStages(ids, layout, input => _model.Hidden(input, layout, observer), observer);
        if (_model.Pipeline.Stages == 1)
        {
            return Scores(Predict(hidden!), layers.Values);
        }

        var sums = hidden is null ? new double[3] : Predict(hidden);
        _model.Pipeline.Group.Sum<double>(sums);
        var ofStages = _model.Pipeline.Group.AllGatherTexts(JsonSerializer.Serialize(layers, RecordJson.Line));
        return Scores(sums, ofStages.SelectMany(text => JsonSerializer.Deserialize<Dictionary<int, LayerScores>>(text, RecordJson.Line)!)
            .OrderBy(layer => layer.Key).Select(layer => layer.Value));
    }

    // Sums of the losses in the first and in the second copies, and how many predictions in the second are right.
    private double[] Predict(Tensor hidden)
    {
        var (first, second, correct) = (0.0, 0.0, 0);
        var predictions = new NextTokenScores(_model.OutputHead, _model.Region.Group);
        for (var row = 0; row < Sequences; row++)
        {
            // One row of logits at a time: the vocabulary may be large.
            using var rowScope = NewDisposeScope();
            var targets = _ids.AsSpan((row * 2 * Length) + 1, Length - 1);
            first += predictions.Of(hidden.narrow(0, row * 2L * Length, Length - 1), targets).LossSum;
            var (lossSum, right) = predictions.Of(hidden.narrow(0, ((row * 2L) + 1) * Length, Length - 1), targets);
            second += lossSum;
            correct += right;
        }

        return [first, second, correct];
    }

    private InductionScores Scores(double[] sums, IEnumerable<LayerScores> layers)
    {
        var count = (double)Sequences * (Length - 1);
        return new InductionScores(sums[2] / count, sums[0] / count, sums[1] / count, [.. layers]);
    }

    private int[] FirstCopies() => [.. _ids.Chunk(2 * Length).SelectMany(row => row[..Length])];
}
