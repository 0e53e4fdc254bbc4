using KvShiftScale.Parallel.Parameters;
using KvShiftScale.Trainer.Checkpoints;
using static TorchSharp.torch;

namespace KvShiftScale.Trainer.ModelFiles;

/// <summary>Tensors to and from safetensors files, a bounded piece at a time.</summary>
internal static class TensorFile
{
    // Tensor.bytes ends at 2 GiB; pieces of 64 Mi elements stay well below and keep large transfers sequential.
    private const long PieceElements = 64 << 20;

    // What is converted goes through a second buffer that stays in a core's cache. Below 32 Ki elements libtorch converts on the calling
    // thread; waking others for so little costs more than it brings.
    private const long StagedElements = 24 << 10;

    // Of a checkpoint at a time, whose slices may be read as many runs.
    private const long GatheredElements = 4 << 20;

    /// <summary>Writes contiguous tensors under their names.</summary>
    public static void Write(string path, IReadOnlyList<(string Name, IReadOnlyList<long> Shape, Tensor Values)> tensors,
        IReadOnlyDictionary<string, string>? metadata = null)
    {
        using var mode = no_grad();
        var byName = tensors.ToDictionary(tensor => tensor.Name, tensor => tensor.Values);
        using var writer = new SafetensorsWriter(path,
            tensors.Select(tensor => new SafetensorsEntry(tensor.Name, TypeOf(tensor.Values.dtype), tensor.Shape)), metadata);
        foreach (var entry in writer.Entries)
        {
            for (var start = 0L; start < byName[entry.Name].numel(); start += PieceElements)
            {
                using var scope = NewDisposeScope();
                writer.Write(entry.Name, Piece(byName[entry.Name], start, PieceElements).cpu().bytes);
            }
        }
        writer.Complete();
    }

    /// <summary>Fills a contiguous tensor with consecutive elements of a stored one, converted where the types differ.</summary>
    /// <param name="reader">The file.</param>
    /// <param name="path">The file's path, for messages.</param>
    /// <param name="name">The stored tensor.</param>
    /// <param name="first">First of its elements to read, in row-major order.</param>
    /// <param name="destination">Receives as many elements as it has.</param>
    public static void ReadElements(SafetensorsReader reader, string path, string name, long first, Tensor destination)
    {
        using var mode = no_grad();
        var entry = reader.Entry(name);
        var stored = ScalarTypeOf(entry.Type, path, name);
        var count = destination.numel();
        var isDirect = stored == destination.dtype && destination.device_type == TorchSharp.DeviceType.CPU;
        var pieceElements = isDirect ? PieceElements : StagedElements;
        using var staging = isDirect ? null : empty(Math.Min(count, pieceElements), stored);
        for (var start = 0L; start < count; start += pieceElements)
        {
            using var scope = NewDisposeScope();
            var target = Piece(destination, start, pieceElements);
            var source = staging?.narrow(0, 0, target.numel()) ?? target;
            reader.Read(name, source.bytes, (first + start) * entry.ElementByteCount);
            if (!isDirect)
            {
                target.copy_(source);
            }
        }
    }

    /// <summary>Fills a flat tensor with elements of a checkpoint's, converted where the types differ.</summary>
    /// <param name="tensors">The checkpoint.</param>
    /// <param name="name">The stored tensor.</param>
    /// <param name="runs">Which of its elements; as many as the destination has.</param>
    /// <param name="destination">Receives them one after the other.</param>
    public static void ReadElements(CheckpointTensors tensors, string name, ElementRuns runs, Tensor destination)
    {
        using var mode = no_grad();
        var stored = ScalarTypeOf(tensors.Find(name).Type, tensors.Source, name);
        var count = destination.numel();
        var isDirect = stored == destination.dtype && destination.device_type == TorchSharp.DeviceType.CPU;
        // Large enough for runs in it to be gathered, whichever way the elements go.
        var pieceElements = GatheredElements;
        using var staging = isDirect ? null : empty(Math.Min(count, pieceElements), stored);
        for (var start = 0L; start < count; start += pieceElements)
        {
            using var scope = NewDisposeScope();
            var target = Piece(destination, start, pieceElements);
            var source = staging?.narrow(0, 0, target.numel()) ?? target;
            var done = 0L;
            foreach (var part in runs.Part(start, target.numel()))
            {
                tensors.Read(name, part, source.narrow(0, done, part.ElementCount).bytes);
                done += part.ElementCount;
            }
            if (!isDirect)
            {
                target.copy_(source);
            }
        }
    }

    /// <summary>A tensor's element type in a file.</summary>
    public static SafetensorsType TypeOf(ScalarType dtype) => dtype switch
    {
        ScalarType.Float32 => SafetensorsType.F32,
        ScalarType.Float64 => SafetensorsType.F64,
        ScalarType.BFloat16 => SafetensorsType.BF16,
        ScalarType.Float16 => SafetensorsType.F16,
        _ => throw new ArgumentException($"a {dtype} tensor has no place in a model file", nameof(dtype)),
    };

    /// <summary>The tensor type of a stored one.</summary>
    /// <exception cref="InvalidDataException">It is no floating-point type.</exception>
    public static ScalarType ScalarTypeOf(SafetensorsType type, string path, string name) => type switch
    {
        SafetensorsType.F32 => ScalarType.Float32,
        SafetensorsType.F64 => ScalarType.Float64,
        SafetensorsType.BF16 => ScalarType.BFloat16,
        SafetensorsType.F16 => ScalarType.Float16,
        _ => throw new InvalidDataException($"{path}: '{name}' holds {type}; weights are F32, F64, BF16 or F16"),
    };

    private static Tensor Piece(Tensor tensor, long start, long count)
        => tensor.detach().view(-1).narrow(0, start, Math.Min(count, tensor.numel() - start));
}
