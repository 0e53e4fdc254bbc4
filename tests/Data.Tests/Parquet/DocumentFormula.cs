using System.Globalization;

namespace KvShiftScale.Data.Tests.Parquet;

/// <summary>The documents of all test files, by formula; <c>files/generate.mjs</c> has the same one.</summary>
internal static class DocumentFormula
{
    public static string? Id(int document) => document % 5 == 3 ? null : "doc-" + document.ToString(CultureInfo.InvariantCulture);

    public static int? Weight(int document) => document % 4 == 1 ? null : document * 3;

    /// <summary>Document <paramref name="document"/>: null, empty, or tokens below 4096.</summary>
    public static int[]? Tokens(int document, bool mayBeNull)
        => mayBeNull && document % 10 == 9
            ? null
            : [.. Enumerable.Range(0, document * 7 % 13).Select(j => ((document * 31) + (j * 17)) % 4096)];

    public static int[]?[] Documents(int count, bool mayBeNull) => [.. Enumerable.Range(0, count).Select(i => Tokens(i, mayBeNull))];
}
