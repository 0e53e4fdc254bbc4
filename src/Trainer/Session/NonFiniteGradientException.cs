using KvShiftScale.Core;

namespace KvShiftScale.Trainer.Session;

/// <summary>A step's gradient was not a number or infinite; all ranks throw it at the same step, before the update.</summary>
internal sealed class NonFiniteGradientException(long step, double loss, double norm) : KvShiftException(FormattableString.Invariant(
    $"step {step}: the gradient norm is {norm} and the loss {loss}; wanted finite numbers. Nothing was updated. Start again from the last checkpoint with a lower optimizer.lr, a longer optimizer.warmup_steps or a smaller optimizer.clip_norm."));
