namespace KvShiftScale.Data.Tokenization.Splitting;

/// <summary>Cuts text into the pieces that are encoded one by one. Immutable, so that any number of threads may share one.</summary>
internal abstract class PieceSplitter
{
    /// <summary>Adds the offsets where pieces end, the last one being the length of the text; nothing for an empty text.</summary>
    /// <param name="text">Well-formed UTF-8.</param>
    /// <param name="ends">Gets offsets within <paramref name="text"/>, plus <paramref name="offset"/>.</param>
    /// <param name="offset">Added to each end.</param>
    /// <exception cref="InvalidDataException">The text cannot be split in reasonable time.</exception>
    public abstract void Split(ReadOnlySpan<byte> text, List<int> ends, int offset);
}
