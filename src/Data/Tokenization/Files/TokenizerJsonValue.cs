using System.Text.Json;

namespace KvShiftScale.Data.Tokenization.Files;

/// <summary>A part of a <c>tokenizer.json</c> with its place in it, so that what is not understood is refused by name.</summary>
/// <param name="File">The file's path.</param>
/// <param name="Key">Where in the file, such as <c>pre_tokenizer.pretokenizers[1]</c>; empty for the whole.</param>
/// <param name="Element">The part.</param>
internal readonly record struct TokenizerJsonValue(string File, string Key, JsonElement Element)
{
    /// <summary>The value of <c>type</c>.</summary>
    public string Type => Find("type") is { Element.ValueKind: JsonValueKind.String } type
        ? type.Element.GetString()!
        : throw Error("has no type");

    /// <summary>The property, or null when it is absent or null.</summary>
    public TokenizerJsonValue? Find(string name)
    {
        RequireKind(JsonValueKind.Object);
        return Element.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null
            ? new TokenizerJsonValue(File, Key.Length == 0 ? name : $"{Key}.{name}", value)
            : null;
    }

    /// <summary>The items of an array.</summary>
    public IEnumerable<TokenizerJsonValue> Items()
    {
        RequireKind(JsonValueKind.Array);
        var (file, key) = (File, Key);
        return Element.EnumerateArray().Select((item, index) => new TokenizerJsonValue(file, $"{key}[{index}]", item));
    }

    /// <summary>This, or the parts of a <c>Sequence</c>, those of parts that are sequences themselves included.</summary>
    public IEnumerable<TokenizerJsonValue> Parts(string listName)
        => Type != "Sequence" ? [this]
            : (Find(listName) ?? throw Error($"has no {listName}")).Items().SelectMany(part => part.Parts(listName));

    public bool Flag(string name, bool absent) => Find(name) is not { } value ? absent : value.Element.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw value.Error($"is {value.Element.GetRawText()}; expected true or false"),
    };

    public string Text(string name) => FindText(name) ?? throw Error($"has no {name}");

    public string? FindText(string name) => Find(name) is not { } value ? null
        : value.Element.ValueKind == JsonValueKind.String ? value.Element.GetString()!
        : throw value.Error($"is {value.Element.GetRawText()}; expected a string");

    public void RequireKind(JsonValueKind wanted)
    {
        if (Element.ValueKind != wanted)
        {
            throw Error($"is {Element.ValueKind}; expected {wanted}");
        }
    }

    /// <summary>Settings that change ids must be absent, null, false, zero or empty.</summary>
    public void RequireUnset(params ReadOnlySpan<string> names)
    {
        foreach (var name in names)
        {
            if (Find(name) is { } value && value.Element.ValueKind != JsonValueKind.False
                && value.Element.GetRawText() is not ("\"\"" or "0" or "0.0"))
            {
                throw value.Error($"is {value.Element.GetRawText()}; it is not known here and must not be set");
            }
        }
    }

    public InvalidDataException Unknown(string known) => Error($"is {Type}, which is not known here; known are {known}", ".type");

    public InvalidDataException Error(string what, string keySuffix = "") => new($"{File}: {Key}{keySuffix} {what}.");
}
