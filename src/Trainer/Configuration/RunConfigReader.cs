using System.Globalization;
using KvShiftScale.Core;
using YamlDotNet.Core;

namespace KvShiftScale.Trainer.Configuration;

/// <summary>Reads a run's configuration from YAML and <c>--set</c> arguments. Reports every fault of form at once.</summary>
public static class RunConfigReader
{
    private const string WholeFile = "configuration file";
    private const string RunKey = "run";
    private const string NameKey = "name";

    /// <summary>Reads a file; overrides replace what it has at their keys.</summary>
    /// <exception cref="ConfigException">
    /// The file is missing or not YAML; a key is unknown, missing or stands twice; a value has the wrong type.
    /// </exception>
    public static RunConfig Read(string path, IReadOnlyList<ConfigOverride> overrides)
    {
        string text;
        try
        {
            text = File.ReadAllText(path);
        }
        catch (IOException error)
        {
            throw Unreadable(path, error);
        }
        catch (UnauthorizedAccessException error)
        {
            throw Unreadable(path, error);
        }

        return Parse(text, path, overrides, Path.GetFileNameWithoutExtension(path));
    }

    /// <summary>Reads configuration text that comes from <paramref name="source"/>, a name for messages.</summary>
    /// <exception cref="ConfigException">As for <see cref="Read"/>.</exception>
    public static RunConfig Parse(string yaml, string source, IReadOnlyList<ConfigOverride> overrides) => Parse(yaml, source, overrides, null);

    private static RunConfig Parse(string yaml, string source, IReadOnlyList<ConfigOverride> overrides, string? fileName)
    {
        var faults = new List<ConfigFault>();
        var root = ConfigNodeParser.Parse(yaml, WholeFile, mark => Describe(source, mark));
        if (root.IsNull)
        {
            root = ConfigNode.Section(Describe(source, Mark.Empty));
        }

        foreach (var setting in overrides)
        {
            Apply(root, setting, faults);
        }

        // A run without a name has that of its file.
        if (fileName is not null && root.Entries?.Find(entry => entry.Key.Text == RunKey).Value is { Entries: { } run } && !run.Exists(entry => entry.Key.Text == NameKey))
        {
            var position = $"the name of {source}";
            run.Add((ConfigNode.Scalar(NameKey, isPlain: true, position), ConfigNode.Scalar(fileName, isPlain: false, position)));
        }

        var config = (RunConfig?)new ConfigBinder(faults).BindSection(root, typeof(RunConfig), "");
        return faults.Count == 0 ? config! : throw new ConfigException(faults);
    }

    private static ConfigException Unreadable(string path, Exception error) => new(new ConfigFault(
        WholeFile, path, $"must be a file that can be read ({error.Message})",
        $"check the path; it is looked for from {Directory.GetCurrentDirectory()}"));

    private static string Describe(string source, Mark mark) =>
        string.Create(CultureInfo.InvariantCulture, $"{source}, line {mark.Line}, column {mark.Column}");

    private static void Apply(ConfigNode root, ConfigOverride setting, List<ConfigFault> faults)
    {
        ConfigNode value;
        try
        {
            value = ConfigNodeParser.Parse(setting.Value, setting.Key, _ => setting.Position);
        }
        catch (ConfigException error)
        {
            faults.AddRange(error.Faults);
            return;
        }

        var section = root;
        var names = setting.Key.Split('.');
        for (var depth = 0; section.Entries is not null; depth++)
        {
            var index = section.Entries.FindIndex(entry => entry.Key.Text == names[depth]);
            var isLast = depth == names.Length - 1;
            if (isLast || index < 0 || section.Entries[index].Value.IsNull)
            {
                var entry = (
                    ConfigNode.Scalar(names[depth], isPlain: true, setting.Position),
                    isLast ? value : ConfigNode.Section(setting.Position));
                if (index < 0)
                {
                    section.Entries.Add(entry);
                    index = section.Entries.Count - 1;
                }
                else
                {
                    section.Entries[index] = entry;
                }
            }

            if (isLast)
            {
                return;
            }

            section = section.Entries[index].Value;
        }

        faults.Add(new ConfigFault(
            setting.Key, setting.Value, $"goes below a key whose value is {section}, which has no keys of its own ({section.Position})",
            "set the whole value at that key instead", setting.Position));
    }
}
