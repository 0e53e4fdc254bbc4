using System.Collections;
using System.Globalization;
using KvShiftScale.Core.Configuration;
using KvShiftScale.Core.Files;
using KvShiftScale.Data.Configuration;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace KvShiftScale.Trainer.Configuration;

/// <summary>
/// Writes a resolved configuration, defaults included, as YAML from which <see cref="RunConfigReader"/> makes the same configuration, but
/// for what is secret in addresses: that is masked.
/// </summary>
public static class RunConfigWriter
{
    // Plain scalars that some YAML reader takes for something other than text.
    private static readonly HashSet<string> ReservedWords =
        new(["null", "true", "false", "yes", "no", "on", "off", "y", "n", "~", ""], StringComparer.OrdinalIgnoreCase);

    /// <summary>The configuration as YAML text that ends in a line break.</summary>
    public static string Write(RunConfig config)
    {
        var text = new StringWriter(CultureInfo.InvariantCulture) { NewLine = "\n" };
        var emitter = new Emitter(text, new EmitterSettings().WithBestWidth(int.MaxValue).WithIndentedSequences());
        emitter.Emit(new StreamStart());
        emitter.Emit(new DocumentStart(null, null, isImplicit: true));
        WriteValue(emitter, config with { Telemetry = config.Telemetry.Masked() });
        emitter.Emit(new DocumentEnd(isImplicit: true));
        emitter.Emit(new StreamEnd());
        return text.ToString();
    }

    /// <summary>Writes the configuration to a file, which holds either its old text or the whole new one.</summary>
    public static void Save(RunConfig config, string path) => DurableFile.Replace(path, Write(config));

    private static void WriteValue(Emitter emitter, object? value)
    {
        switch (value)
        {
            case null:
                WritePlain(emitter, "null");
                break;
            case string text:
                WriteText(emitter, text);
                break;
            case bool flag:
                WritePlain(emitter, flag ? "true" : "false");
                break;
            case Enum name:
                WritePlain(emitter, ConfigKeys.NameOf(name.ToString()));
                break;
            case double number:
                WritePlain(emitter, Digits(number));
                break;
            case IFormattable number:
                WritePlain(emitter, number.ToString(null, CultureInfo.InvariantCulture));
                break;
            case IEnumerable<DataSource> sources when sources.Any(source => source.Set is not null):
                WriteSets(emitter, sources);
                break;
            case IEnumerable items:
                emitter.Emit(new SequenceStart(null, null, isImplicit: true, SequenceStyle.Block));
                foreach (var item in items)
                {
                    WriteValue(emitter, item);
                }

                emitter.Emit(new SequenceEnd());
                break;
            default:
                WriteSection(emitter, value);
                break;
        }
    }

    private static void WriteSets(Emitter emitter, IEnumerable<DataSource> sources)
    {
        emitter.Emit(new MappingStart(null, null, isImplicit: true, MappingStyle.Block));
        foreach (var set in sources.GroupBy(source => source.Set!))
        {
            WriteText(emitter, set.Key);
            WriteValue(emitter, set.Select(source => new DataSource(source.Glob, source.Weight)));
        }

        emitter.Emit(new MappingEnd());
    }

    private static void WriteSection(Emitter emitter, object section)
    {
        if (ShorthandOf(section) is { } text)
        {
            WriteText(emitter, text);
            return;
        }

        emitter.Emit(new MappingStart(null, null, isImplicit: true, MappingStyle.Block));
        foreach (var property in ConfigKeys.PropertiesOf(section.GetType()))
        {
            WritePlain(emitter, ConfigKeys.NameOf(property.Name));
            WriteValue(emitter, property.GetValue(section));
        }

        emitter.Emit(new MappingEnd());
    }

    /// <summary>The text that stands for a section whose other values are all defaults, or null.</summary>
    internal static string? ShorthandOf(object section)
    {
        var type = section.GetType();
        if (ConfigKeys.ShorthandOf(type)?.GetParameters() is not [var first, .. var others])
        {
            return null;
        }

        var allDefault = others.All(parameter => Equals(type.GetProperty(parameter.Name!)!.GetValue(section), parameter.DefaultValue));
        return allDefault ? (string)type.GetProperty(first.Name!)!.GetValue(section)! : null;
    }

    // YAML 1.1 readers want a point in a number with an exponent: 1.0e-06.
    private static string Digits(double number)
    {
        var digits = number.ToString("R", CultureInfo.InvariantCulture);
        var exponent = digits.IndexOf('E', StringComparison.Ordinal);
        var point = digits.Contains('.', StringComparison.Ordinal) ? "" : ".0";
        return exponent < 0 ? digits : $"{digits[..exponent]}{point}e{digits[(exponent + 1)..]}";
    }

    private static void WritePlain(Emitter emitter, string text) =>
        emitter.Emit(new Scalar(null, null, text, ScalarStyle.Plain, isPlainImplicit: true, isQuotedImplicit: true));

    private static void WriteText(Emitter emitter, string text)
    {
        var needsQuotes = ReservedWords.Contains(text) || char.IsAsciiDigit(text[0]) || text[0] is '+' or '-' or '.';
        emitter.Emit(new Scalar(
            null, null, text, needsQuotes ? ScalarStyle.DoubleQuoted : ScalarStyle.Any, isPlainImplicit: true, isQuotedImplicit: true));
    }
}
