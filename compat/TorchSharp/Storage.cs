using System.Collections;

namespace TorchSharp;

public static partial class torch
{
    /// <summary>The memory behind a tensor, which views share.</summary>
    public abstract class Storage
    {
        protected Tensor _tensor;

        protected Storage(Tensor tensor) => _tensor = tensor;

        /// <summary>Address of the storage's first byte, on the device; a view's own data begins storage_offset elements later.</summary>
        public nint data_ptr()
        {
            NativeMethods.Check(NativeMethods.ts_storage_data_ptr(_tensor.Handle, out var address, out _));
            GC.KeepAlive(_tensor);
            return address;
        }
    }

    /// <summary>The memory behind a tensor with elements of type T.</summary>
    public sealed class Storage<T> : Storage, IDisposable, IEnumerable<T> where T : unmanaged
    {
        internal Storage(Tensor tensor) : base(tensor)
        {
        }

        /// <summary>All elements of the storage, those outside the tensor too; host memory only.</summary>
        public unsafe T[] ToArray()
        {
            if (_tensor.device_type != DeviceType.CPU) throw new InvalidOperationException($"elements of a storage on {_tensor.device}");
            NativeMethods.Check(NativeMethods.ts_storage_data_ptr(_tensor.Handle, out var address, out var byteCount));
            var elements = new ReadOnlySpan<T>((void*)address, checked((int)(byteCount / sizeof(T)))).ToArray();
            GC.KeepAlive(_tensor);
            return elements;
        }

        public IEnumerator<T> GetEnumerator() => ((IEnumerable<T>)ToArray()).GetEnumerator();

        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

        public void Dispose()
        {
            // The tensor owns the memory.
        }
    }
}
