using System.Buffers;
using System.Runtime.InteropServices;

namespace Parquet.Columns;

/// <summary>Memory of one value type seen as memory of another of the same size.</summary>
internal sealed class StoredMemory<TFrom, TTo>(ReadOnlyMemory<TFrom> memory) : MemoryManager<TTo>
    where TFrom : struct
    where TTo : struct
{
    public override Memory<TTo> Memory => CreateMemory(memory.Length);

    public override Span<TTo> GetSpan() => MemoryMarshal.Cast<TFrom, TTo>(MemoryMarshal.AsMemory(memory).Span);

    public override MemoryHandle Pin(int elementIndex = 0) => throw new NotSupportedException("Only spans are taken of this memory.");

    public override void Unpin()
    {
    }

    protected override void Dispose(bool disposing)
    {
    }
}
