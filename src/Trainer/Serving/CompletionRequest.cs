using KvShiftScale.Trainer.Generation;

namespace KvShiftScale.Trainer.Serving;

/// <summary>A prompt, as text and as ids.</summary>
/// <param name="Text">What an echo shows.</param>
/// <param name="Ids">What the model continues; one or more.</param>
internal sealed record CompletionPrompt(string Text, int[] Ids);

/// <summary>What a client asks for, checked.</summary>
/// <param name="Prompts">One or more; each becomes a choice of the answer.</param>
/// <param name="Sampling">How tokens are chosen, and how many.</param>
/// <param name="Stop">Texts that end a completion, which does not have them; none is empty.</param>
/// <param name="Echo">The prompt stands before its completion.</param>
/// <param name="TopLogProbabilities">How many of the most likely tokens are told beside each token; null: no log-probabilities at all.</param>
/// <param name="Stream">Text goes out as it is made.</param>
internal sealed record CompletionRequest(
    IReadOnlyList<CompletionPrompt> Prompts, SamplingOptions Sampling, IReadOnlyList<string> Stop, bool Echo, int? TopLogProbabilities, bool Stream);
