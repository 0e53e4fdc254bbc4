using System.Text.Json.Serialization;

namespace KvShiftScale.Data.Configuration;

/// <summary>The order in which the rows of a window of row groups come.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<RowOrder>))]
public enum RowOrder
{
    /// <summary>As the documents lie, so that all rows of a document follow each other. Runs begun before there was a choice have this one.</summary>
    Sequential,

    /// <summary>In an order of their own, which spreads the rows of a long document over its window.</summary>
    Shuffled,
}
