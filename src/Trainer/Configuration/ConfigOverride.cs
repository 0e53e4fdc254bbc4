using KvShiftScale.Core;

namespace KvShiftScale.Trainer.Configuration;

/// <summary>One <c>--set key.path=value</c> of the command line. It replaces what the file has at that key.</summary>
/// <param name="Key">Path of the key: <c>run.steps</c>.</param>
/// <param name="Value">The value as YAML: <c>20</c>, <c>true</c>, <c>[a.parquet, b.parquet]</c>.</param>
public sealed record ConfigOverride(string Key, string Value)
{
    /// <summary>Where messages say that the value comes from.</summary>
    public string Position => $"--set {Key}={Value}";

    /// <summary>Splits the text after <c>--set</c> at its first equals sign.</summary>
    /// <exception cref="ConfigException">There is no equals sign, or nothing before it.</exception>
    public static ConfigOverride Parse(string text)
    {
        var equals = text.IndexOf('=', StringComparison.Ordinal);
        var key = equals < 0 ? "" : text[..equals].Trim();
        if (key.Length == 0 || key.Split('.').Any(string.IsNullOrWhiteSpace))
        {
            throw new ConfigException(new ConfigFault(
                "--set", text, "must be key.path=value", "write for example --set run.steps=20", $"--set {text}"));
        }

        return new ConfigOverride(key, text[(equals + 1)..].Trim());
    }
}
