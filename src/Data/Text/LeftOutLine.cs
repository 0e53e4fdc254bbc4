using System.Text.Json.Serialization;

namespace KvShiftScale.Data.Text;

/// <summary>A line of JSON, or a row of Parquet, that no document was made of.</summary>
/// <param name="Path">The file.</param>
/// <param name="Line">Its number: of a line from 1, of a row from 0.</param>
/// <param name="Reason">What was found, and what was expected.</param>
public sealed record LeftOutLine(string Path, long Line, string Reason)
{
    /// <summary>It is a row of a Parquet file.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool IsRow { get; init; }

    public override string ToString() => FormattableString.Invariant($"{Path}, {(IsRow ? "row" : "line")} {Line}: {Reason}");
}
