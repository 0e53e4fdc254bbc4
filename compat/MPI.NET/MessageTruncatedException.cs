namespace MPI;

/// <summary>A message was longer than the buffer of its receiver.</summary>
public class MessageTruncatedException : Exception
{
    public MessageTruncatedException(string message)
        : base(message)
    {
    }
}
