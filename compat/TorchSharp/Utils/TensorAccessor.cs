using System.Collections;
using System.Runtime.InteropServices;

namespace TorchSharp.Utils;

/// <summary>Elements of a tensor as T, in row-major order; a tensor elsewhere, or not contiguous, is copied first.</summary>
public sealed class TensorAccessor<T> : IDisposable, IEnumerable<T> where T : unmanaged
{
    private readonly torch.Tensor _tensor;

    internal TensorAccessor(torch.Tensor tensor)
    {
        var expected = tensor.dtype switch
        {
            torch.ScalarType.Byte => typeof(byte),
            torch.ScalarType.Int8 => typeof(sbyte),
            torch.ScalarType.Int16 => typeof(short),
            torch.ScalarType.Int32 => typeof(int),
            torch.ScalarType.Int64 => typeof(long),
            torch.ScalarType.Float32 => typeof(float),
            torch.ScalarType.Float64 => typeof(double),
            torch.ScalarType.Bool => typeof(bool),
            _ => null,
        };
        if (expected != typeof(T)) throw new ArgumentException($"a {tensor.dtype} tensor read as {typeof(T).Name}");
        _tensor = tensor;
    }

    public T[] ToArray()
    {
        var result = new T[_tensor.numel()];
        CopyTo(result);
        return result;
    }

    public void CopyTo(Span<T> array, int arrayIndex = 0, long tensorIndex = 0)
    {
        using var scope = torch.NewDisposeScope();
        var source = MemoryMarshal.Cast<byte, T>(_tensor.detach().cpu().contiguous().bytes);
        source[checked((int)tensorIndex)..].CopyTo(array[arrayIndex..]);
    }

    public IEnumerator<T> GetEnumerator() => ((IEnumerable<T>)ToArray()).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    public void Dispose()
    {
        // The tensor owns the memory.
    }
}
