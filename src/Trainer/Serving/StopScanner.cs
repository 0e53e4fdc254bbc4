namespace KvShiftScale.Trainer.Serving;

/// <summary>Lets text through up to the first place where one of several texts begins, and keeps back what may be the beginning of one.</summary>
/// <param name="stops">The texts; none is empty.</param>
internal sealed class StopScanner(IReadOnlyList<string> stops)
{
    private string _held = "";

    /// <summary>One of the texts has come; nothing after it goes through.</summary>
    public bool HasStopped { get; private set; }

    /// <summary>Takes more text.</summary>
    /// <returns>What can be shown now.</returns>
    public string Append(string text)
    {
        if (HasStopped)
        {
            return "";
        }

        var all = _held + text;
        var found = stops.Select(stop => all.IndexOf(stop, StringComparison.Ordinal)).Where(index => index >= 0).DefaultIfEmpty(-1).Min();
        HasStopped = found >= 0;
        var shown = HasStopped ? found : all.Length - stops.Select(stop => BeginningAtEnd(all, stop)).DefaultIfEmpty(0).Max();
        _held = all[shown..];
        return all[..shown];
    }

    /// <summary>No more text comes.</summary>
    /// <returns>What was kept back, where it has not become one of the texts.</returns>
    public string Flush() => HasStopped ? "" : _held;

    // Length of the longest end of a text with which a stop begins.
    private static int BeginningAtEnd(string text, string stop)
    {
        var length = Math.Min(text.Length, stop.Length - 1);
        while (length > 0 && !text.AsSpan(text.Length - length).SequenceEqual(stop.AsSpan(0, length)))
        {
            length--;
        }

        return length;
    }
}
