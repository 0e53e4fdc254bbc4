namespace KvShiftScale.Trainer.Generation;

/// <summary>How the next token is chosen.</summary>
/// <param name="MaxTokens">Most tokens to generate.</param>
/// <param name="Greedy">Always the most likely token.</param>
/// <param name="Temperature">Divides the logits; 0 is the most likely token, as <paramref name="Greedy"/>.</param>
/// <param name="TopP">Share of the probability mass that is sampled from, in (0, 1].</param>
/// <param name="Seed">Seed of the draws.</param>
internal sealed record SamplingOptions(int MaxTokens, bool Greedy, double Temperature, double TopP, long Seed);
