namespace KvShiftScale.Models.Probing;

/// <summary>How well a model goes on with a random sequence that it has seen once, and which heads do it.</summary>
/// <param name="Accuracy">Share of the second copy's tokens, from its second on, that the model finds most likely.</param>
/// <param name="FirstCopyLoss">Mean loss over the first copy's tokens from its second on, in nats.</param>
/// <param name="SecondCopyLoss">The same over the second copy.</param>
/// <param name="Layers">Scores by layer.</param>
public sealed record InductionScores(double Accuracy, double FirstCopyLoss, double SecondCopyLoss, IReadOnlyList<LayerScores> Layers)
{
    /// <summary>What the repetition adds to the loss: below zero for a model that uses it.</summary>
    public double LossDifference => SecondCopyLoss - FirstCopyLoss;
}
