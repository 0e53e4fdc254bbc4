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
        if (Length < 2) throw new ArgumentException($"a probe needs a context of 4 and 2 ids; there are {model.Context} and {candidates.Count}", nameof(model));
        _ids = RepeatedSequences.Make(candidates, Length, Sequences);
        _positions = [.. Enumerable.Repeat(Enumerable.Range(0, 2 * Length), Sequences).SelectMany(row => row)];
    }

    /// <summary>Tokens of one copy.</summary>
    public int Length { get; }

    /// <summary>Looks at the model as it is now.</summary>
    public InductionScores Run()
    {
        using var mode = no_grad();
        using var scope = NewDisposeScope();
        var device = _model.Parameters.Device;
        var ids = tensor(_ids, device: device);
        using var layout = new TokenLayout(Sequences, 2 * Length, tensor(_positions));
        var firstCopy = ids.view(Sequences, 2 * Length).narrow(1, 0, Length);
        var heads = new HeadScores(_model.UnembeddingRows(firstCopy.reshape(-1)), Length);
        var layers = new LayerScores[_model.Config.Layers];
        var hidden = _model.Observe(ids, layout, (layer, view) => layers[layer] = heads.Of(view));

        var (first, second, correct) = (0.0, 0.0, 0.0);
        for (var row = 0; row < Sequences; row++)
        {
            // One row of logits at a time: the vocabulary may be large.
            using var rowScope = NewDisposeScope();
            var logits = AttentionView.Wide(_model.LogitsOf(hidden.narrow(0, row * 2L * Length, 2 * Length)));
            var targets = firstCopy.select(0, row).narrow(0, 1, Length - 1).to(ScalarType.Int64);
            first += LossSum(logits.narrow(0, 0, Length - 1), targets);
            var predictions = logits.narrow(0, Length, Length - 1);
            second += LossSum(predictions, targets);
            correct += predictions.argmax(1).eq(targets).sum(ScalarType.Float64).item<double>();
        }
        var count = (double)Sequences * (Length - 1);
        return new InductionScores(correct / count, first / count, second / count, layers);
    }

    private static double LossSum(Tensor logits, Tensor targets)
        => -logits.log_softmax(1).gather(1, targets.unsqueeze(1)).sum(ScalarType.Float64).item<double>();
}
