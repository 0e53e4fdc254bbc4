namespace KvShiftScale.Core;

/// <summary>Something that cannot be worked with, found before any work: an argument, a configuration, a layout, a library. Exit code 2.</summary>
public class UsageException : KvShiftException
{
    /// <param name="message">What was found, what was wanted, what to do.</param>
    /// <param name="inner">What led to it.</param>
    public UsageException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }

    /// <inheritdoc/>
    public override int Code => ExitCode.Usage;
}
