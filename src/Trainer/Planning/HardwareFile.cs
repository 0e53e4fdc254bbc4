using System.Globalization;
using KvShiftScale.Core;
using KvShiftScale.Core.Configuration;
using KvShiftScale.Core.Files;
using KvShiftScale.Trainer.Configuration;

namespace KvShiftScale.Trainer.Planning;

/// <summary>A <see cref="HardwareProfile"/> as a file of keys and numbers, YAML or JSON.</summary>
internal static class HardwareFile
{
    /// <summary>Reads one.</summary>
    /// <exception cref="ConfigException">It is missing or not YAML; a key is unknown, missing or stands twice; a number is none or out of its bounds.</exception>
    public static HardwareProfile Read(string path)
    {
        string text;
        try
        {
            text = File.ReadAllText(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new ConfigException(new ConfigFault("--gpu", path,
                $"must be one of {string.Join(", ", KnownHardware.All.Keys)}, or a file that can be read ({error.Message})",
                $"measure this machine into it: kvshift plan CONFIG --measure --gpu {path}"));
        }

        var faults = new List<ConfigFault>();
        var root = ConfigNodeParser.Parse(text, "hardware file", mark => string.Create(CultureInfo.InvariantCulture, $"{path}, line {mark.Line}, column {mark.Column}"));
        var profile = (HardwareProfile?)new ConfigBinder(faults, typeof(HardwareProfile), HardwareProfile.Bounds.GetValueOrDefault).BindSection(root, typeof(HardwareProfile), "");
        if (profile is null)
        {
            throw new ConfigException(faults);
        }

        var bounds = new ConfigFaultList();
        bounds.CheckNumbers(profile, "", HardwareProfile.Bounds.GetValueOrDefault);
        bounds.ThrowIfAny();
        return profile;
    }

    /// <summary>Writes one, or replaces it.</summary>
    /// <param name="path">The file.</param>
    /// <param name="profile">What was measured.</param>
    /// <param name="comment">Where and when, on one line.</param>
    public static void Write(string path, HardwareProfile profile, string comment) => DurableFile.Replace(path, $"# {comment}\n" + string.Concat(
        ConfigKeys.PropertiesOf(typeof(HardwareProfile)).Select(property => string.Create(CultureInfo.InvariantCulture,
            $"{ConfigKeys.NameOf(property.Name)}: {property.GetValue(profile):0.####e+0}\n"))));
}
