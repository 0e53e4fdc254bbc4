namespace KvShiftScale.Trainer.Generation;

/// <summary>Shown an id and the logits that the tokens before it give.</summary>
/// <param name="logits">One for each id of the model; changes after the call.</param>
/// <param name="next">The id that follows, of a prompt or chosen.</param>
internal delegate void NextIdObserver(ReadOnlySpan<float> logits, int next);
