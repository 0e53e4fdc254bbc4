namespace KvShiftScale.Trainer.Reporting;

/// <summary>One point of an <see cref="SvgScatter"/>.</summary>
/// <param name="X">Place across.</param>
/// <param name="Y">Place up.</param>
/// <param name="IsMarked">Drawn in the second colour, in front of the others.</param>
/// <param name="Hint">Shown under the pointer.</param>
public sealed record ScatterPoint(double X, double Y, bool IsMarked, string Hint);
