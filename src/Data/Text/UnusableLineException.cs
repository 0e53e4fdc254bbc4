namespace KvShiftScale.Data.Text;

/// <summary>A line of JSON has no text where it should.</summary>
/// <param name="source">The file.</param>
/// <param name="number">Number of the line, from 1.</param>
/// <param name="reason">What was found, and what was expected.</param>
/// <param name="cause">What reading it came to.</param>
internal sealed class UnusableLineException(string source, long number, string reason, Exception? cause = null)
    : InvalidDataException(new LeftOutLine(source, number, reason).ToString(), cause)
{
    public LeftOutLine Line { get; } = new(source, number, reason);
}
