namespace KvShiftScale.Data.Text;

/// <summary>One document of a corpus.</summary>
/// <param name="Source">Path of the file it comes from.</param>
/// <param name="Index">Its place among the documents of that file, from 0.</param>
/// <param name="Text">Its text; may be empty.</param>
public sealed record TextDocument(string Source, long Index, string Text);
