using static TorchSharp.torch;

namespace KvShiftScale.Checkpoints.Safetensors;

/// <summary>Tensors out of safetensors files, a bounded piece at a time.</summary>
public static class TensorFile
{
    // Tensor.bytes ends at 2 GiB; pieces of 64 Mi elements stay well below and keep large transfers sequential.
    private const long PieceElements = 64 << 20;

    // What is converted goes through a second buffer that stays in a core's cache. Below 32 Ki elements libtorch converts on the calling
    // thread; waking others for so little costs more than it brings.
    private const long StagedElements = 24 << 10;

    /// <summary>Fills a contiguous tensor with consecutive elements of a stored one, converted where the types differ.</summary>
    /// <param name="reader">The file.</param>
    /// <param name="path">The file's path, for messages.</param>
    /// <param name="name">The stored tensor.</param>
    /// <param name="first">First of its elements to read, in row-major order.</param>
    /// <param name="destination">Receives as many elements as it has.</param>
    public static void ReadElements(SafetensorsReader reader, string path, string name, long first, Tensor destination)
    {
        var entry = reader.Entry(name);
        Fill(destination, ScalarTypeOf(entry.Type, path, name), PieceElements, StagedElements,
            (piece, start) => reader.Read(name, piece.bytes, (first + start) * entry.ElementByteCount));
    }

    /// <summary>Fills a contiguous tensor a piece at a time, through a buffer where the types differ.</summary>
    /// <param name="destination">The tensor.</param>
    /// <param name="stored">Element type of what is read.</param>
    /// <param name="directElements">Elements of a piece that is read to its place.</param>
    /// <param name="stagedElements">Elements of one that is converted.</param>
    /// <param name="read">Fills a flat tensor of the stored type in host memory with the elements that begin at a place of the destination.</param>
    internal static void Fill(Tensor destination, ScalarType stored, long directElements, long stagedElements, Action<Tensor, long> read)
    {
        using var mode = no_grad();
        var count = destination.numel();
        var isDirect = stored == destination.dtype && destination.device_type == TorchSharp.DeviceType.CPU;
        var pieceElements = isDirect ? directElements : stagedElements;
        using var staging = isDirect ? null : empty(Math.Min(count, pieceElements), stored);
        for (var start = 0L; start < count; start += pieceElements)
        {
            using var scope = NewDisposeScope();
            var target = destination.detach().view(-1).narrow(0, start, Math.Min(pieceElements, count - start));
            var source = staging?.narrow(0, 0, target.numel()) ?? target;
            read(source, start);
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
}
