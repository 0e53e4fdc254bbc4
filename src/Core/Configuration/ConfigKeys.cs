using System.Reflection;
using System.Text.Json;

namespace KvShiftScale.Core.Configuration;

/// <summary>Names of keys and enum values: the snake_case form of what the records declare.</summary>
public static class ConfigKeys
{
    /// <summary>GlobalBatch to global_batch, HttpProtobuf to http_protobuf, Fp32 to fp32.</summary>
    public static string NameOf(string pascalCase) => JsonNamingPolicy.SnakeCaseLower.ConvertName(pascalCase);

    /// <summary>The properties that a section may set, in the order of their declaration; computed ones are no keys.</summary>
    public static IReadOnlyList<PropertyInfo> PropertiesOf(Type section) =>
        [.. section.GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(property => property.CanWrite)];

    /// <summary>Whether a type is a section: a record of keys rather than a value.</summary>
    public static bool IsSection(Type type) =>
        type.IsClass && type != typeof(string) && type.Namespace!.StartsWith("KvShiftScale", StringComparison.Ordinal);

    /// <summary>Item type of a list property, or null when the type is no list.</summary>
    public static Type? ItemTypeOf(Type type) =>
        type.IsGenericType && type.GetGenericTypeDefinition() == typeof(IReadOnlyList<>) ? type.GetGenericArguments()[0] : null;

    /// <summary>
    /// The constructor of a section that may be written as one piece of text: its first parameter is that text, the others have
    /// defaults, as in <c>DataSource(string Glob, double Weight = 1.0)</c>. Null when there is none.
    /// </summary>
    public static ConstructorInfo? ShorthandOf(Type section) =>
        section.GetConstructors().FirstOrDefault(constructor =>
            constructor.GetParameters() is [var first, .. var others]
            && first.ParameterType == typeof(string)
            && others.All(parameter => parameter.HasDefaultValue));

    /// <summary>Full paths of all keys below a section, sections themselves included.</summary>
    public static IEnumerable<string> PathsBelow(Type section, string path)
    {
        foreach (var property in PropertiesOf(section))
        {
            var key = Join(path, NameOf(property.Name));
            yield return key;
            if (IsSection(property.PropertyType))
            {
                foreach (var below in PathsBelow(property.PropertyType, key))
                {
                    yield return below;
                }
            }
        }
    }

    public static string Join(string path, string key) => path.Length == 0 ? key : $"{path}.{key}";

    /// <summary>
    /// The known key that an unknown one most likely stands for: the same name in another section, else the smallest edit distance
    /// among the keys of its own section.
    /// </summary>
    /// <param name="unknown">The name that was found.</param>
    /// <param name="path">Path of the section that it was found in.</param>
    /// <param name="section">That section.</param>
    /// <param name="whole">The whole configuration.</param>
    public static string Nearest(string unknown, string path, Type section, Type whole)
    {
        var own = PropertiesOf(section).Select(property => NameOf(property.Name)).ToArray();
        var nearest = own.MinBy(known => EditDistance(unknown, known))!;
        var last = "." + unknown;
        var elsewhere = PathsBelow(whole, "")
            .FirstOrDefault(known => known.EndsWith(last, StringComparison.OrdinalIgnoreCase));
        return EditDistance(unknown, nearest) > 1 && elsewhere is not null ? elsewhere : Join(path, nearest);
    }

    /// <summary>Insertions, deletions, substitutions and swaps of neighbours between two texts, whatever their case.</summary>
    public static int EditDistance(string from, string to)
    {
        var a = from.ToLowerInvariant();
        var b = to.ToLowerInvariant();
        var distance = new int[a.Length + 1, b.Length + 1];
        for (var i = 0; i <= a.Length; i++)
        {
            for (var j = 0; j <= b.Length; j++)
            {
                if (i == 0 || j == 0)
                {
                    distance[i, j] = i + j;
                    continue;
                }

                var substitution = distance[i - 1, j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
                distance[i, j] = Math.Min(substitution, 1 + Math.Min(distance[i - 1, j], distance[i, j - 1]));
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                {
                    distance[i, j] = Math.Min(distance[i, j], distance[i - 2, j - 2] + 1);
                }
            }
        }

        return distance[a.Length, b.Length];
    }
}
