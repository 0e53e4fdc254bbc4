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
    public sealed class Storage<T> : Storage, IDisposable where T : unmanaged
    {
        internal Storage(Tensor tensor) : base(tensor)
        {
        }

        public void Dispose()
        {
            // The tensor owns the memory.
        }
    }
}
