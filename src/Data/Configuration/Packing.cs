using System.Text.Json.Serialization;

namespace KvShiftScale.Data.Configuration;

/// <summary>How documents become rows of context + 1 tokens.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<Packing>))]
public enum Packing
{
    /// <summary>Documents are laid end to end and cut into rows; nothing is padded.</summary>
    Concatenate,

    /// <summary>
    /// A document begins a row. One longer than the context goes on in further rows; what the last one leaves free is padded and has no
    /// targets.
    /// </summary>
    Pad,
}
