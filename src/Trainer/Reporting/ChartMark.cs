namespace KvShiftScale.Trainer.Reporting;

/// <summary>A vertical line across a chart.</summary>
/// <param name="X">Where.</param>
/// <param name="Label">What happened there.</param>
public sealed record ChartMark(double X, string Label);
