using System.Text.Json;
using System.Text.Json.Serialization;

namespace KvShiftScale.Core.Text;

/// <summary>Records of this program as JSON: names in snake_case, numbers that are none as <c>"NaN"</c> and <c>"Infinity"</c>.</summary>
public static class RecordJson
{
    /// <summary>A document, indented; an enumeration says itself how it is written.</summary>
    public static JsonSerializerOptions Document { get; } = new()
    {
        WriteIndented = true,
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    };

    /// <summary>A line, with enumerations in snake_case.</summary>
    public static JsonSerializerOptions Line { get; } = new(Document)
    {
        WriteIndented = false,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower) },
    };
}
