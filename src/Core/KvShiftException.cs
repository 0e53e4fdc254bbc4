namespace KvShiftScale.Core;

/// <summary>A failure that was foreseen: what happened, what was wanted and what to do stand in its message.</summary>
public abstract class KvShiftException : Exception
{
    /// <param name="message">For whoever sits before the console.</param>
    /// <param name="inner">What led to it.</param>
    protected KvShiftException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }

    /// <summary>What a process that ends of it tells its launcher (<see cref="ExitCode"/>).</summary>
    public virtual int Code => ExitCode.Failed;

    /// <summary>Whether somebody has to look into the code, so that the stack is told too.</summary>
    public virtual bool NeedsStack => false;
}
