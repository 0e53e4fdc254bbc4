using System.Collections;
using System.Globalization;
using KvShiftScale.Core.Configuration;
using KvShiftScale.Data.Configuration;
using KvShiftScale.Models.Configuration;

namespace KvShiftScale.Trainer.Configuration;

/// <summary>A value that a configuration has and the one that it would have by default.</summary>
/// <param name="Key">Path of the key.</param>
/// <param name="Value">As it would be written in YAML.</param>
/// <param name="Default">The same; null where the key has to be set.</param>
internal sealed record ChangedValue(string Key, string Value, string? Default);

/// <summary>A configuration as a flat list of keys and of the texts of their values, in the order in which they are declared.</summary>
internal static class ConfigValues
{
    /// <summary>Every key that holds a value, with what it holds; what is secret in addresses is masked.</summary>
    public static IReadOnlyList<KeyValuePair<string, string>> Of(RunConfig config)
    {
        var values = new List<KeyValuePair<string, string>>();
        Add(config with { Telemetry = config.Telemetry.Masked() }, "", values);
        return values;
    }

    /// <summary>Keys whose value is not the default, or, for a model with a name, not that of the shape of this name.</summary>
    public static IReadOnlyList<ChangedValue> Changed(RunConfig config)
    {
        var plain = new RunConfig { Run = new RunSection { Name = "", Steps = 0 }, Model = (PresetOf(config.Model) ?? new()) with { Preset = null } };
        var defaults = Of(plain).ToDictionary();
        return [.. Of(config).Where(value => value.Value != defaults[value.Key] || IsRequired(value.Key))
            .Select(value => new ChangedValue(value.Key, value.Value, IsRequired(value.Key) ? null : defaults[value.Key]))];
    }

    /// <summary>Whether a key has no default.</summary>
    public static bool IsRequired(string key) => key is "run.name" or "run.steps";

    /// <summary>A value as YAML has it on the line of its key.</summary>
    public static string TextOf(object? value) => value switch
    {
        null => "null",
        string text => text.Length == 0 ? "''" : text,
        bool flag => flag ? "true" : "false",
        Enum name => ConfigKeys.NameOf(name.ToString()),
        double number => number.ToString("R", CultureInfo.InvariantCulture),
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        IEnumerable<DataSource> sources when sources.Any(source => source.Set is not null) => $"{{{string.Join(", ", sources.GroupBy(source => source.Set)
            .Select(set => $"{set.Key}: [{string.Join(", ", set.Select(ItemText))}]"))}}}",
        IEnumerable items => $"[{string.Join(", ", items.Cast<object>().Select(ItemText))}]",
        _ => ItemText(value),
    };

    private static ModelConfig? PresetOf(ModelConfig model) => model.Preset is { } name ? ModelPresets.Find(name) : null;

    private static void Add(object section, string path, List<KeyValuePair<string, string>> values)
    {
        foreach (var property in ConfigKeys.PropertiesOf(section.GetType()))
        {
            var key = ConfigKeys.Join(path, ConfigKeys.NameOf(property.Name));
            var value = property.GetValue(section);
            if (value is not null && ConfigKeys.IsSection(property.PropertyType))
            {
                Add(value, key, values);
            }
            else
            {
                values.Add(new(key, TextOf(value)));
            }
        }
    }

    // An item of a list that is a section: its text where the rest of it is the default, else its keys.
    private static string ItemText(object item)
    {
        if (!ConfigKeys.IsSection(item.GetType()))
        {
            return TextOf(item);
        }

        var keys = ConfigKeys.PropertiesOf(item.GetType());
        return RunConfigWriter.ShorthandOf(item)
            ?? $"{{{string.Join(", ", keys.Select(key => $"{ConfigKeys.NameOf(key.Name)}: {TextOf(key.GetValue(item))}"))}}}";
    }
}
