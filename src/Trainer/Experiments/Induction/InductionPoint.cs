namespace KvShiftScale.Trainer.Experiments.Induction;

/// <summary>One evaluation of a run.</summary>
/// <param name="Step">Steps trained.</param>
/// <param name="Loss">Mean training loss of the step's answers, in nats; null before the first step.</param>
/// <param name="Accuracy">Share of fresh sequences whose first answer is right: the paper's measure.</param>
/// <param name="AccuracyOfAll">Share of all answers that are right.</param>
internal sealed record InductionPoint(int Step, double? Loss, double Accuracy, double AccuracyOfAll);
