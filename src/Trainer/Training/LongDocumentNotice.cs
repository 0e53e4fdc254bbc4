using System.Globalization;
using KvShiftScale.Data.Configuration;
using KvShiftScale.Data.Loading;

namespace KvShiftScale.Trainer.Training;

/// <summary>What a person is told of documents that fill many steps, at the start of a run.</summary>
internal static class LongDocumentNotice
{
    // A document shorter than this is a part of a step or two, however rows come.
    private const double LeastSteps = 2;

    // One that is a larger part of its window is not mixed with much else.
    private const double LargePartOfWindow = 1.0 / 8;

    /// <summary>A sentence where the longest document matters; null otherwise.</summary>
    /// <param name="longest">The longest document of the training data.</param>
    /// <param name="context">Tokens of a row.</param>
    /// <param name="order">Order of the rows.</param>
    public static string? Of(LongestDocument longest, int context, RowOrder order)
    {
        if (longest.StepsOnEnd < LeastSteps)
        {
            return null;
        }

        var most = longest.IsExact ? "the longest document, " : "the longest document, at least ";
        var fills = Format($"{most}{longest.Tokens:N0} tokens, fills {longest.Rows:N0} rows of {context:N0}, {longest.StepsOnEnd:N0} steps on end");
        if (order == RowOrder.Sequential)
        {
            return $"{fills}: the loss of these steps is that of one text; data.row_order: shuffled mixes the rows of a new run";
        }

        var spread = Format($"{fills} if rows were not mixed; mixed, they are spread over about {longest.StepsOfWindow:N0} steps");
        return longest.StepsOnEnd > LargePartOfWindow * longest.StepsOfWindow
            ? $"{spread}, of which they are a large part: raise data.shuffle_row_groups for more among them, where there is more data"
            : spread;
    }

    private static string Format(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
