using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;
using KvShiftScale.Core;
using KvShiftScale.Core.Configuration;
using KvShiftScale.Core.Text;
using KvShiftScale.Data.Configuration;
using KvShiftScale.Models.Configuration;

namespace KvShiftScale.Trainer.Configuration;

/// <summary>
/// Turns <see cref="ConfigNode"/>s into the records of the configuration. Strict: every key is known, stands once and has a value of
/// the declared type. Goes on after a fault, so that one launch reports them all.
/// </summary>
/// <param name="faults">Receives what is wrong.</param>
/// <param name="whole">What all keys lie below, where a key that is unknown in its section may be known; nothing given: a run's configuration.</param>
/// <param name="boundOf">The bounds of a number's key; nothing given: those of a run's configuration.</param>
internal sealed class ConfigBinder(List<ConfigFault> faults, Type? whole = null, Func<string, NumberBound?>? boundOf = null)
{
    private readonly Type _whole = whole ?? typeof(RunConfig);
    private readonly Func<string, NumberBound?> _boundOf = boundOf ?? NumberBounds.OfKey;

    /// <summary>Makes a section, with defaults for the keys that are not there.</summary>
    /// <param name="node">The section as written; null when it is absent.</param>
    /// <param name="type">The record to make.</param>
    /// <param name="path">Path of the section; empty for the whole configuration.</param>
    /// <returns>The record, or null when something in it is wrong.</returns>
    public object? BindSection(ConfigNode? node, Type type, string path)
    {
        if (node is { Entries: null, IsNull: false })
        {
            return BindShorthand(node, type, path);
        }

        var faultsBefore = faults.Count;
        var values = new Dictionary<string, object?>();
        var firstPositions = new Dictionary<string, string>();
        var properties = ConfigKeys.PropertiesOf(type);
        foreach (var (keyNode, valueNode) in node?.Entries ?? [])
        {
            var name = keyNode.Text ?? "(a list or section)";
            var key = ConfigKeys.Join(path, name);
            var property = properties.FirstOrDefault(candidate => ConfigKeys.NameOf(candidate.Name) == name);
            if (property is null)
            {
                AddUnknownKey(keyNode, valueNode, name, type, path);
            }
            else if (!firstPositions.TryAdd(name, keyNode.Position))
            {
                faults.Add(new ConfigFault(
                    key, valueNode.ToString(), $"must stand once; it also stands at {firstPositions[name]}",
                    "remove one of the two", keyNode.Position));
            }
            else
            {
                values[property.Name] = BindValue(valueNode, property.PropertyType, key, IsNullable(property));
            }
        }

        var preset = type == typeof(ModelConfig) && values.GetValueOrDefault(nameof(ModelConfig.Preset)) is string presetName
            ? FindPreset(presetName, ConfigKeys.Join(path, "preset"), firstPositions["preset"])
            : null;
        AddMissing(node, properties, values, path);
        return faults.Count == faultsBefore ? Construct(type, values, preset) : null;
    }

    private ModelConfig? FindPreset(string name, string key, string position)
    {
        var preset = ModelPresets.Find(name);
        if (preset is null)
        {
            var nearest = ModelPresets.Names.MinBy(candidate => ConfigKeys.EditDistance(candidate, name));
            faults.Add(new ConfigFault(key, name, $"must be one of: {string.Join(", ", ModelPresets.Names)}",
                $"write for example {nearest}, or remove the line and set the model's own keys", position));
        }

        return preset;
    }

    // What is given replaces what the start has; without a start, defaults.
    private static object Construct(Type type, Dictionary<string, object?> values, object? start)
    {
        var constructor = type.GetConstructor(Type.EmptyTypes) ?? type.GetConstructors()[0];
        var parameters = constructor.GetParameters();
        var instance = start ?? constructor.Invoke([.. parameters.Select(parameter =>
            values.TryGetValue(parameter.Name!, out var given) ? given : parameter.DefaultValue)]);
        foreach (var property in ConfigKeys.PropertiesOf(type))
        {
            if (values.TryGetValue(property.Name, out var value))
            {
                property.SetValue(instance, value);
            }
        }

        return instance;
    }

    private object? BindShorthand(ConfigNode node, Type type, string path)
    {
        if (node.Text is not null && ConfigKeys.ShorthandOf(type) is { } constructor)
        {
            var defaults = constructor.GetParameters().Skip(1).Select(parameter => parameter.DefaultValue);
            return constructor.Invoke([node.Text, .. defaults]);
        }

        var keys = string.Join(", ", ConfigKeys.PropertiesOf(type).Select(property => ConfigKeys.NameOf(property.Name)));
        faults.Add(new ConfigFault(
            path.Length == 0 ? "(the whole file)" : path, node.ToString(), $"must be a section with keys from: {keys}",
            "write the keys below it, indented, each as 'key: value'", node.Position));
        return null;
    }

    private void AddUnknownKey(ConfigNode keyNode, ConfigNode valueNode, string name, Type type, string path)
    {
        var known = string.Join(", ", ConfigKeys.PropertiesOf(type).Select(property => ConfigKeys.NameOf(property.Name)));
        var section = path.Length == 0 ? "the configuration" : $"'{path}'";
        faults.Add(new ConfigFault(
            ConfigKeys.Join(path, name), valueNode.ToString(), $"'{name}' is not a key of {section}, which has: {known}",
            $"use the nearest known key, {ConfigKeys.Nearest(name, path, type, _whole)}, or remove the line", keyNode.Position));
    }

    private void AddMissing(ConfigNode? node, IReadOnlyList<PropertyInfo> properties, Dictionary<string, object?> values, string path)
    {
        foreach (var property in properties.Where(property => IsRequired(property) && !values.ContainsKey(property.Name)))
        {
            var key = ConfigKeys.Join(path, ConfigKeys.NameOf(property.Name));
            if (ConfigKeys.IsSection(property.PropertyType))
            {
                // Names the required keys of the section that is absent.
                values[property.Name] = BindSection(null, property.PropertyType, key);
            }
            else if (property.PropertyType == typeof(string) || property.PropertyType.IsValueType)
            {
                faults.Add(new ConfigFault(
                    key, "(not set)", "has no default and must be set", $"add it to the file or pass --set {key}=VALUE", node?.Position));
            }
        }
    }

    private object? BindValue(ConfigNode node, Type type, string key, bool isNullable)
    {
        var target = Nullable.GetUnderlyingType(type) ?? type;
        if (ConfigKeys.IsSection(target))
        {
            return BindSection(node, target, key);
        }

        if (node.IsNull)
        {
            return isNullable
                ? null
                : Reject(node, key, $"must be {Describe(target, key)}", "give it a value, or remove the line to use the default");
        }

        if (ConfigKeys.ItemTypeOf(target) is { } itemType)
        {
            return BindList(node, itemType, key);
        }

        return node.Text is null
            ? Reject(node, key, $"must be {Describe(target, key)}", "write the value on the line of the key")
            : BindScalar(node, target, key);
    }

    // A single item stands for a list of one, so that `--set data.train=books.parquet` needs no brackets.
    private Array BindList(ConfigNode node, Type itemType, string key, bool takesNames = true)
    {
        if (takesNames && itemType == typeof(DataSource) && node.Entries is { } entries && !entries.Any(entry => IsKeyOf(itemType, entry.Key.Text)))
        {
            return BindSets(entries, key);
        }

        var items = node.Items ?? [node];
        var array = Array.CreateInstance(itemType, items.Count);
        for (var index = 0; index < items.Count; index++)
        {
            var itemKey = string.Create(CultureInfo.InvariantCulture, $"{key}[{index}]");
            array.SetValue(BindValue(items[index], itemType, itemKey, isNullable: false), index);
        }

        return array;
    }

    // A slip of the pen would make a set of what was meant for its files or weight.
    private static string? MeantKey(string name) => ConfigKeys.PropertiesOf(typeof(DataSource)).Select(property => ConfigKeys.NameOf(property.Name))
        .FirstOrDefault(known => ConfigKeys.EditDistance(known, name) <= known.Length / 3);

    // Sources under names; in keys a name stands as the number of an item does.
    private DataSource[] BindSets(List<(ConfigNode Key, ConfigNode Value)> entries, string key)
    {
        var sources = new List<DataSource>();
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (nameNode, list) in entries)
        {
            var name = nameNode.Text ?? "";
            if (MeantKey(name) is { } meant)
            {
                faults.Add(new ConfigFault($"{key}.{name}", list.ToString(), $"is a name of a set that is nearly the key '{meant}' of a source",
                    $"write {meant}, or give the set another name", nameNode.Position));
            }

            if (name.Length == 0 || !name.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '_' or '-' or '.') || !names.Add(name))
            {
                faults.Add(new ConfigFault(key, nameNode.ToString(), "must be names of letters, digits, '_', '-' and '.', each once, with sources below them",
                    "give the set another name", nameNode.Position));
            }

            if (list.Items is { Count: 0 })
            {
                faults.Add(new ConfigFault(
                    $"{key}[{name}]", list.ToString(), "must name files", "write for example data/books/*.parquet, or remove the set", list.Position));
            }

            sources.AddRange(BindList(list, typeof(DataSource), $"{key}[{name}]", takesNames: false).OfType<DataSource>().Select(source => source.In(name)));
        }

        return [.. sources];
    }

    private static bool IsKeyOf(Type section, string? name)
        => ConfigKeys.PropertiesOf(section).Any(property => ConfigKeys.NameOf(property.Name) == name);

    private object? BindScalar(ConfigNode node, Type type, string key)
    {
        var text = node.Text!;
        if (type == typeof(string))
        {
            return text;
        }

        if (type.IsEnum)
        {
            return BindEnum(node, type, key);
        }

        if (!node.IsPlain)
        {
            return Reject(node, key, $"must be {Describe(type, key)}, not text", $"remove the quotes: {text}");
        }

        object? value = null;
        if (type == typeof(bool))
        {
            value = text switch { "true" or "True" or "TRUE" => true, "false" or "False" or "FALSE" => false, _ => null };
        }
        else if (_boundOf(key) is { } bound && (type == typeof(int) || type == typeof(long) || type == typeof(double)))
        {
            return bound.Read(text) switch
            {
                double real => real,
                long whole when type == typeof(long) => whole,
                long and >= int.MinValue and <= int.MaxValue and var whole => (int)whole,
                _ => Reject(node, key, $"must be {bound.Kind}", RemedyFor(text, bound, key)),
            };
        }
        else
        {
            throw new NotSupportedException($"{key}: a configuration record declares the type {type}, which no YAML value is bound to, or a number without bounds.");
        }

        return value ?? Reject(node, key, $"must be {Describe(type, key)}", $"write for example {key.Split('.')[^1]}: true");
    }

    private static string RemedyFor(string text, NumberBound bound, string key)
        => bound is NumberBound.Whole && NumberText.MeantWhole(text) is { } meant && bound.Read(meant) is { } number && bound.BrokenBy(number) is null
            ? $"write {key.Split('.')[^1]}: {meant}"
            : bound.Remedy;

    private object? BindEnum(ConfigNode node, Type type, string key)
    {
        var name = Enum.GetNames(type).FirstOrDefault(candidate => ConfigKeys.NameOf(candidate) == node.Text);
        if (name is not null)
        {
            return Enum.Parse(type, name);
        }

        var allowed = Enum.GetNames(type).Select(ConfigKeys.NameOf).ToArray();
        var nearest = allowed.MinBy(candidate => ConfigKeys.EditDistance(candidate, node.Text!));
        return Reject(node, key, $"must be one of: {string.Join(", ", allowed)}", $"write for example {nearest}");
    }

    private object? Reject(ConfigNode node, string key, string rule, string remedy)
    {
        faults.Add(new ConfigFault(key, node.ToString(), rule, remedy, node.Position));
        return null;
    }

    private string Describe(Type type, string key) => type switch
    {
        _ when _boundOf(key) is { } bound => bound.Kind,
        _ when type == typeof(bool) => "true or false",
        _ when type == typeof(string) => "text",
        _ when type.IsEnum => "one of: " + string.Join(", ", Enum.GetNames(type).Select(ConfigKeys.NameOf)),
        _ => "a list",
    };

    private static bool IsRequired(PropertyInfo property) =>
        property.IsDefined(typeof(RequiredMemberAttribute)) || IsRequiredParameter(property);

    private static bool IsRequiredParameter(PropertyInfo property) =>
        property.DeclaringType!.GetConstructor(Type.EmptyTypes) is null
        && property.DeclaringType.GetConstructors()[0].GetParameters()
            .Any(parameter => parameter.Name == property.Name && !parameter.HasDefaultValue);

    private static bool IsNullable(PropertyInfo property) =>
        Nullable.GetUnderlyingType(property.PropertyType) is not null
        || new NullabilityInfoContext().Create(property).WriteState == NullabilityState.Nullable;
}
