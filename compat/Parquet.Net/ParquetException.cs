namespace Parquet;

/// <summary>A file that cannot be read or written; the message says which and, if known, names row group, column and page.</summary>
public class ParquetException : Exception
{
    public ParquetException()
    {
    }

    public ParquetException(string message)
        : base(message)
    {
    }

    public ParquetException(string message, Exception inner)
        : base(message, inner)
    {
    }
}
