using System.Collections;
using System.Globalization;

namespace KvShiftScale.Core.Configuration;

/// <summary>Broken rules as they are found, so that all of them are told at once.</summary>
public sealed class ConfigFaultList
{
    private readonly List<ConfigFault> _faults = [];

    /// <summary>In the order in which they were found.</summary>
    public IReadOnlyList<ConfigFault> Faults => _faults;

    /// <exception cref="ConfigException">There are some.</exception>
    public void ThrowIfAny()
    {
        if (_faults.Count > 0)
        {
            throw new ConfigException(_faults);
        }
    }

    /// <summary>Holds every number of a section, and of those in it, and of the items of lists, against its bounds.</summary>
    /// <param name="section">The section.</param>
    /// <param name="path">Its path: <c>data</c>.</param>
    /// <param name="boundOf">The bound of a key.</param>
    /// <exception cref="NotSupportedException">A number has none.</exception>
    public void CheckNumbers(object section, string path, Func<string, NumberBound?> boundOf)
    {
        foreach (var property in ConfigKeys.PropertiesOf(section.GetType()))
        {
            var key = ConfigKeys.Join(path, ConfigKeys.NameOf(property.Name));
            var value = property.GetValue(section);
            switch (value)
            {
                case int or long or double:
                    CheckNumber(key, value, boundOf(key) ?? throw new NotSupportedException($"{key} has no bounds."));
                    break;
                case IEnumerable items when ConfigKeys.ItemTypeOf(property.PropertyType) is { } item && ConfigKeys.IsSection(item):
                    foreach (var (index, each) in items.Cast<object>().Index())
                    {
                        CheckNumbers(each, Format($"{key}[{index}]"), boundOf);
                    }

                    break;
                case not null when ConfigKeys.IsSection(property.PropertyType):
                    CheckNumbers(value, key, boundOf);
                    break;
            }
        }
    }

    /// <summary>Holds a number against a bound.</summary>
    public void CheckNumber(string key, object value, NumberBound bound)
    {
        if (bound.BrokenBy(value) is { } broken)
        {
            Add(key, value, $"must {broken}", bound.Remedy);
        }
    }

    /// <summary>Adds a fault unless a rule holds.</summary>
    public void Require(bool holds, string key, object value, string rule, string remedy)
    {
        if (!holds)
        {
            Add(key, value, rule, remedy);
        }
    }

    /// <summary>Adds a fault.</summary>
    public void Add(string key, object value, string rule, string remedy) =>
        _faults.Add(new ConfigFault(key, Format($"{value}"), rule, remedy));

    /// <summary>The multiples of a number next to another.</summary>
    public static string NearestMultiples(long of, long value)
    {
        var below = value / of * of;
        return below > 0 ? Format($"{below} or {below + of}") : Format($"{of}");
    }

    /// <summary>The divisors of a number next to another.</summary>
    public static string NearestDivisors(int of, int value)
    {
        var below = 0;
        var above = 0;
        for (var small = 1; (long)small * small <= of; small++)
        {
            foreach (var divisor in of % small == 0 ? [small, of / small] : Array.Empty<int>())
            {
                below = divisor < value ? Math.Max(below, divisor) : below;
                above = divisor > value && (above == 0 || divisor < above) ? divisor : above;
            }
        }

        return above == 0 ? Format($"{below}") : below == 0 ? Format($"{above}") : Format($"{below} or {above}");
    }

    /// <summary>A text whose numbers are the same in every language.</summary>
    public static string Format(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
