using KvShiftScale.Models.Configuration;

namespace KvShiftScale.Trainer.Configuration;

/// <summary>
/// Shapes with a name, for <c>model.preset</c>. A preset is the model section of a file in configs/, which the program carries with it, so
/// that a shape and its sources stand in one place.
/// </summary>
internal static class ModelPresets
{
    private static readonly Dictionary<string, string> Files = new()
    {
        ["kvshift-1.5b"] = "1.5b.yaml",
        ["kvshift-2.9b"] = "2.9b.yaml",
        ["kvshift-6.7b"] = "6.7b.yaml",
        ["kvshift-13b"] = "13b.yaml",
        ["kvshift-19b"] = "19b.yaml",
        ["induction-depth"] = "induction-depth.yaml",
        ["induction-width"] = "induction-width.yaml",
        ["baichuan-m1-14b"] = "baichuan-m1-14b.yaml",
    };

    /// <summary>All names.</summary>
    public static IReadOnlyCollection<string> Names => Files.Keys;

    /// <summary>The shape of a preset, or null where there is none of this name.</summary>
    public static ModelConfig? Find(string name)
        => Files.TryGetValue(name, out var file) ? Read(file) with { Preset = name } : null;

    private static ModelConfig Read(string file)
    {
        using var stream = typeof(ModelPresets).Assembly.GetManifestResourceStream($"configs/{file}")
            ?? throw new InvalidOperationException($"{file} is not part of the program");
        using var text = new StreamReader(stream);
        return RunConfigReader.Parse(text.ReadToEnd(), file, []).Model;
    }
}
