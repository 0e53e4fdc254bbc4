using KvShiftScale.Core.Text;

namespace KvShiftScale.Trainer.Configuration;

/// <summary>A piece of configuration as written, with the place it was written at; not yet bound to a type.</summary>
internal sealed class ConfigNode
{
    private ConfigNode(string position) => Position = position;

    /// <summary>File, line and column, or the <c>--set</c> argument.</summary>
    public string Position { get; }

    /// <summary>Text of a scalar; null for a list or a section.</summary>
    public string? Text { get; private init; }

    /// <summary>Whether a scalar stands without quotes, so that its text may mean a number, a boolean or nothing.</summary>
    public bool IsPlain { get; private init; }

    /// <summary>Items of a list, in order; null for anything else.</summary>
    public List<ConfigNode>? Items { get; private init; }

    /// <summary>Keys and values of a section in order, repeated keys included; null for anything else.</summary>
    public List<(ConfigNode Key, ConfigNode Value)>? Entries { get; private init; }

    /// <summary>Whether the value is left out: empty, <c>~</c> or <c>null</c>.</summary>
    public bool IsNull => IsPlain && Text is "" or "~" or "null" or "Null" or "NULL";

    public static ConfigNode Scalar(string text, bool isPlain, string position) => new(position) { Text = text, IsPlain = isPlain };

    public static ConfigNode List(string position) => new(position) { Items = [] };

    public static ConfigNode Section(string position) => new(position) { Entries = [] };

    /// <summary>The value as a message shows it.</summary>
    public override string ToString()
    {
        if (Items is not null)
        {
            return $"(a list of {Items.Count})";
        }

        if (Entries is not null)
        {
            return $"(a section of {Entries.Count} keys)";
        }

        const int longest = 80;
        // Masked before it is cut: what ends a password may be cut off.
        var text = AddressSecrets.MaskValue("", Text!);
        text = text.Length > longest ? text[..longest] + "..." : text;
        return IsPlain ? (text.Length == 0 ? "(nothing)" : text) : $"\"{text}\"";
    }
}
