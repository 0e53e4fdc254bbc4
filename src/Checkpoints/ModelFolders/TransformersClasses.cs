using System.Text.Json.Nodes;

namespace KvShiftScale.Checkpoints.ModelFolders;

/// <summary>
/// The classes of this model for Hugging Face's transformers, in Python, which lie in the folder of a model and are loaded from there
/// (<c>trust_remote_code=True</c>). The same file computes the model with PyTorch alone.
/// </summary>
internal static class TransformersClasses
{
    private const string Configuration = "configuration_kv_shift";
    private const string Model = "modeling_kv_shift";

    /// <summary>Which class of which file stands for what: <c>auto_map</c> of config.json.</summary>
    public static JsonObject AutoMap() => new()
    {
        ["AutoConfig"] = $"{Configuration}.KvShiftConfig",
        ["AutoModelForCausalLM"] = $"{Model}.KvShiftForCausalLM",
    };

    /// <summary>Writes both files; nothing forces them to the disk.</summary>
    public static void WriteTo(string directory)
    {
        foreach (var name in (string[])[$"{Configuration}.py", $"{Model}.py"])
        {
            using var source = typeof(TransformersClasses).Assembly.GetManifestResourceStream(name)!;
            using var file = File.Create(Path.Combine(directory, name));
            source.CopyTo(file);
        }
    }
}
