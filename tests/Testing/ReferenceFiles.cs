using System.Text.Json;
using KvShiftScale.Checkpoints.ModelFolders;
using KvShiftScale.Checkpoints.Safetensors;
using static TorchSharp.torch;

namespace KvShiftScale.Testing;

/// <summary>Model folders, shards and losses that other programs wrote; <c>files/generate.py</c> and <c>files/shards.mjs</c> made them.</summary>
internal static class ReferenceFiles
{
    /// <summary>The context that the folders state.</summary>
    public const int Context = 32;

    public static string Root => Path.Combine(AppContext.BaseDirectory, "files");

    public static IReadOnlyList<int[]> Documents { get; } = JsonSerializer.Deserialize<int[][]>(File.ReadAllBytes(PathOf("documents.json")))!;

    public static string PathOf(string name) => Path.Combine(Root, name);

    /// <summary>The float64 computation's mean loss and number of targets.</summary>
    public static (double Loss, long Tokens) Expected(string model, bool vanilla = false, int context = Context)
    {
        using var json = JsonDocument.Parse(File.ReadAllBytes(PathOf("expected.json")));
        var entry = json.RootElement.EnumerateArray().Single(item => item.GetProperty("model").GetString() == model
            && item.GetProperty("vanilla").GetBoolean() == vanilla && item.GetProperty("context").GetInt32() == context);
        return (entry.GetProperty("loss").GetDouble(), entry.GetProperty("tokens").GetInt64());
    }

    /// <summary>A copy of a folder, to be changed.</summary>
    public static string Copy(string model, string destination)
    {
        Directory.CreateDirectory(destination);
        foreach (var file in Directory.GetFiles(PathOf(model)))
        {
            File.Copy(file, Path.Combine(destination, Path.GetFileName(file)));
        }

        return destination;
    }

    /// <summary>Type, shape and bytes of every tensor of a folder.</summary>
    public static SortedDictionary<string, string> Tensors(string folder)
    {
        var tensors = new SortedDictionary<string, string>(StringComparer.Ordinal);
        using var files = WeightFiles.Open(folder);
        foreach (var name in files.Names)
        {
            var entry = files.Entry(name);
            using var values = empty(entry.ByteCount / entry.ElementByteCount, TensorFile.ScalarTypeOf(entry.Type, folder, name));
            files.ReadElements(name, 0, values);
            tensors.Add(name, $"{entry} {Convert.ToHexString(values.bytes)}");
        }
        return tensors;
    }
}
