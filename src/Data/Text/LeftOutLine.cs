namespace KvShiftScale.Data.Text;

/// <summary>A line of JSON that no document was made of.</summary>
/// <param name="Path">The file.</param>
/// <param name="Line">Its number, from 1.</param>
/// <param name="Reason">What was found, and what was expected.</param>
public sealed record LeftOutLine(string Path, long Line, string Reason)
{
    public override string ToString() => FormattableString.Invariant($"{Path}, line {Line}: {Reason}");
}
