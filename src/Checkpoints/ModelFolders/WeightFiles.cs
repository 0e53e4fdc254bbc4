using System.Text.Json;
using KvShiftScale.Checkpoints.Safetensors;
using KvShiftScale.Checkpoints.Slices;
using KvShiftScale.Parallel.Parameters;
using static TorchSharp.torch;

namespace KvShiftScale.Checkpoints.ModelFolders;

/// <summary>
/// The weights of a model folder: <c>model.safetensors</c>, or several files that <c>model.safetensors.index.json</c> lists. Opening
/// checks every header and that files and index say the same; tensors are then read where they are wanted.
/// </summary>
public sealed class WeightFiles : IDisposable
{
    /// <summary>Name of the file where there is one.</summary>
    public const string SingleFileName = "model.safetensors";

    /// <summary>Name of the list of files where there are several.</summary>
    public const string IndexFileName = "model.safetensors.index.json";

    private const long LongestIndex = 64 << 20;

    // Where a tensor is: a file's reader, or none where it is in slices of a checkpoint.
    private readonly Dictionary<string, (SafetensorsReader? Reader, string Path)> _tensors = [];
    private readonly List<SafetensorsReader> _readers = [];

    private CheckpointTensors? _checkpoint;

    private WeightFiles(string source) => Source = source;

    /// <summary>The single file, or the index: what a message about the whole names.</summary>
    public string Source { get; }

    /// <summary>Every tensor's name.</summary>
    public IReadOnlyCollection<string> Names => _tensors.Keys;

    /// <summary>Elements of all tensors.</summary>
    public long ElementCount { get; private set; }

    /// <summary>Opens the weights of a folder.</summary>
    /// <exception cref="FileNotFoundException">The folder has no weights, or lacks a file that its index names.</exception>
    /// <exception cref="InvalidDataException">A file is damaged, or files and index contradict each other.</exception>
    public static WeightFiles Open(string directory)
    {
        if (CheckpointTensors.IsCheckpoint(directory))
        {
            return OfCheckpoint(CheckpointTensors.Open(directory));
        }

        var single = Path.Combine(directory, SingleFileName);
        var index = Path.Combine(directory, IndexFileName);
        var files = new WeightFiles(File.Exists(index) ? index : single);
        try
        {
            if (!File.Exists(index))
            {
                files.Add(RequireSingle(directory, single));
            }
            else if (File.Exists(single))
            {
                throw new InvalidDataException($"{directory} holds {SingleFileName} and {IndexFileName}; delete the one that is out of date");
            }
            else
            {
                files.AddListed(directory, index);
            }

            return files;
        }
        catch
        {
            files.Dispose();
            throw;
        }
    }

    /// <summary>Whether there is a tensor of that name.</summary>
    public bool Contains(string name) => _tensors.ContainsKey(name);

    /// <summary>Type and shape of a tensor that is there.</summary>
    public SafetensorsEntry Entry(string name) => _tensors[name].Reader?.Entry(name) ?? _checkpoint!.Find(name).Entry;

    /// <summary>The file that holds a tensor, or lists its slices.</summary>
    public string PathOf(string name) => _tensors[name].Path;

    /// <summary>Fills a flat tensor with consecutive elements of a stored one, converted where the types differ.</summary>
    /// <param name="name">The stored tensor.</param>
    /// <param name="first">First of its elements to read, in row-major order.</param>
    /// <param name="destination">Receives as many elements as it has.</param>
    public void ReadElements(string name, long first, Tensor destination)
    {
        var (reader, path) = _tensors[name];
        if (reader is not null)
        {
            TensorFile.ReadElements(reader, path, name, first, destination);
        }
        else
        {
            _checkpoint!.ReadElements(name, ElementRuns.Consecutive(first, destination.numel()), destination);
        }
    }

    /// <summary>Closes all files.</summary>
    public void Dispose()
    {
        foreach (var reader in _readers)
        {
            reader.Dispose();
        }

        _checkpoint?.Dispose();
    }

    private static WeightFiles OfCheckpoint(CheckpointTensors checkpoint)
    {
        var files = new WeightFiles(checkpoint.Source) { _checkpoint = checkpoint };
        foreach (var tensor in checkpoint.All.Where(tensor => tensor.IsParameter))
        {
            files._tensors.Add(tensor.Name, (null, checkpoint.Source));
            files.ElementCount += tensor.ElementCount;
        }
        return files;
    }

    private static string RequireSingle(string directory, string path)
    {
        if (File.Exists(path))
        {
            return path;
        }

        var other = Directory.Exists(directory)
            ? Directory.EnumerateFiles(directory, "*.bin").Concat(Directory.EnumerateFiles(directory, "*.pt*")).Select(Path.GetFileName).Order()
                .FirstOrDefault()
            : null;
        throw new FileNotFoundException($"{path} does not exist, and neither does {IndexFileName} beside it"
            + (other is null ? "" : $"; {other} is a pickled checkpoint, which is not read here: save it as safetensors"), path);
    }

    private SafetensorsReader Add(string path)
    {
        var reader = SafetensorsReader.Open(path);
        _readers.Add(reader);
        foreach (var entry in reader.Entries)
        {
            if (!_tensors.TryAdd(entry.Name, (reader, path)))
            {
                throw new InvalidDataException($"{path}: tensor '{entry.Name}' stands in {_tensors[entry.Name].Path} too; wanted each tensor once");
            }

            ElementCount += entry.ByteCount / entry.ElementByteCount;
        }
        return reader;
    }

    private void AddListed(string directory, string index)
    {
        var listed = ReadIndex(index);
        foreach (var file in listed.Values.Distinct().Order(StringComparer.Ordinal))
        {
            var path = Path.Combine(directory, file);
            if (!File.Exists(path))
            {
                var tensor = listed.First(entry => entry.Value == file).Key;
                throw new FileNotFoundException($"{index}: '{tensor}' should be in {file}, which does not exist. The folder was copied incompletely.",
                    path);
            }
            foreach (var entry in Add(path).Entries)
            {
                if (!listed.TryGetValue(entry.Name, out var named))
                {
                    throw new InvalidDataException($"{path}: tensor '{entry.Name}' is not in {IndexFileName}. Index and files do not belong together.");
                }

                if (named != file)
                {
                    throw new InvalidDataException($"{path}: tensor '{entry.Name}' is here, but {IndexFileName} says that it is in {named}");
                }
            }
        }
        foreach (var (name, file) in listed)
        {
            if (!_tensors.ContainsKey(name))
            {
                throw new InvalidDataException($"{Path.Combine(directory, file)}: has no tensor '{name}', which {IndexFileName} says is in it");
            }
        }
    }

    private static Dictionary<string, string> ReadIndex(string index)
    {
        var length = new FileInfo(index).Length;
        if (length > LongestIndex)
        {
            throw new InvalidDataException($"{index} has {length} bytes; an index of weights is shorter");
        }

        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(index), new JsonDocumentOptions { MaxDepth = 16 });
            if (document.RootElement.ValueKind != JsonValueKind.Object || !document.RootElement.TryGetProperty("weight_map", out var map)
                || map.ValueKind != JsonValueKind.Object)
            {
                throw new InvalidDataException($"{index}: has no object 'weight_map' of tensor name to file name");
            }
            var listed = new Dictionary<string, string>();
            foreach (var entry in map.EnumerateObject())
            {
                var file = entry.Value.ValueKind == JsonValueKind.String ? entry.Value.GetString()! : "";
                // A name and no path: weights are never read from another folder.
                if (file.Length == 0 || file is "." or ".." || file.AsSpan().IndexOfAny('/', '\\', '\0') >= 0)
                {
                    throw new InvalidDataException($"{index}: '{entry.Name}' should be in {entry.Value.GetRawText()}; wanted the name of a file in this folder");
                }

                if (!listed.TryAdd(entry.Name, file))
                {
                    throw new InvalidDataException($"{index}: tensor '{entry.Name}' stands twice");
                }
            }
            return listed.Count > 0 ? listed : throw new InvalidDataException($"{index}: 'weight_map' is empty");
        }
        catch (JsonException exception)
        {
            throw new InvalidDataException($"{index} is not JSON: {exception.Message}", exception);
        }
        catch (InvalidOperationException exception)
        {
            throw new InvalidDataException($"{index} holds text that is not Unicode", exception);
        }
    }
}
