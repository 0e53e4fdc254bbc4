namespace KvShiftScale.Data.Text;

/// <summary>A line of JSON has no text where it should. For callers that may leave it out; others get an <see cref="InvalidDataException"/> of it.</summary>
/// <param name="source">The file.</param>
/// <param name="number">Number of the line, from 1.</param>
/// <param name="reason">What was found, and what was expected.</param>
/// <param name="cause">What reading it came to.</param>
internal sealed class UnusableLineException(string source, long number, string reason, Exception? cause = null)
    : Exception(new LeftOutLine(source, number, reason).ToString(), cause)
{
    public LeftOutLine Line { get; } = new(source, number, reason);

    /// <summary>The same for those who cannot go on without the line.</summary>
    public InvalidDataException ToFault() => new(Message, this);
}
