namespace TorchSharp;

public static partial class torch
{
    /// <summary>
    /// A handle to a libtorch tensor. Every operation returns a new handle, which belongs to the current dispose scope of its thread, or
    /// to the caller (at last: the finalizer) where no scope is open.
    /// </summary>
    public partial class Tensor : IDisposable
    {
        private static long _totalCount;
        private static long _peakCount;

        private nint _handle;

        internal Tensor(nint handle)
        {
            _handle = handle;
            if (handle == 0)
            {
                GC.SuppressFinalize(this);
                return;
            }
            var count = Interlocked.Increment(ref _totalCount);
            InterlockedMax(ref _peakCount, count);
            DisposeScopeManager.Register(this);
        }

        ~Tensor() => ReleaseHandle();

        /// <summary>Handles alive in this process.</summary>
        public static long TotalCount => Interlocked.Read(ref _totalCount);

        /// <summary>The most handles that were alive at one time.</summary>
        public static long PeakCount => Interlocked.Read(ref _peakCount);

        /// <summary>The at::Tensor* behind this object.</summary>
        public nint Handle => _handle == 0 ? throw new InvalidOperationException("the tensor was disposed, or its handle was given away") : _handle;

        public bool IsInvalid => _handle == 0;

        internal DisposeScope? OwningScope { get; set; }

        /// <summary>Takes over a native tensor; without one (0) the result is invalid.</summary>
        public static Tensor UnsafeCreateTensor(nint handle) => new(handle);

        /// <summary>Gives up the native tensor, which the caller now owns.</summary>
        public nint DecoupleFromNativeHandle()
        {
            OwningScope?.Forget(this);
            GC.SuppressFinalize(this);
            var handle = Interlocked.Exchange(ref _handle, 0);
            if (handle != 0) Interlocked.Decrement(ref _totalCount);
            return handle;
        }

        public void Dispose()
        {
            Dispose(true);
            GC.SuppressFinalize(this);
        }

        protected virtual void Dispose(bool disposing)
        {
            if (_handle == 0) return;
            if (disposing) DisposeScopeManager.CountDisposal(OwningScope is not null);
            OwningScope?.Forget(this);
            ReleaseHandle();
        }

        public Tensor MoveToOuterDisposeScope()
        {
            OwningScope?.MoveToOuter(this);
            return this;
        }

        public Tensor DetachFromDisposeScope()
        {
            OwningScope?.Detach(this);
            return this;
        }

        public long[] shape
        {
            get
            {
                var result = new long[Math.Max(0, NativeMethods.ts_rank(Handle))];
                unsafe
                {
                    fixed (long* pointer = result) NativeMethods.Check(NativeMethods.ts_shape(Handle, pointer));
                }
                GC.KeepAlive(this);
                return result;
            }
        }

        public long ndim => Kept(NativeMethods.ts_rank(Handle));

        public ScalarType dtype => Kept((ScalarType)NativeMethods.ts_dtype(Handle));

        public Device device => Kept(new Device((DeviceType)NativeMethods.ts_device_type(Handle), NativeMethods.ts_device_index(Handle)));

        public DeviceType device_type => Kept((DeviceType)NativeMethods.ts_device_type(Handle));

        public long numel() => Kept(NativeMethods.ts_numel(Handle));

        public long dim() => Kept(NativeMethods.ts_rank(Handle));

        public long size(int dim) => shape[dim < 0 ? dim + (int)ndim : dim];

        public bool is_contiguous() => Kept(NativeMethods.ts_is_contiguous(Handle) != 0);

        public bool requires_grad
        {
            get => Kept(NativeMethods.ts_requires_grad(Handle) != 0);
            set => NativeMethods.Check(NativeMethods.ts_set_requires_grad(Handle, value ? 1 : 0));
        }

        public Tensor requires_grad_(bool requires_grad = true)
        {
            if (requires_grad != this.requires_grad) this.requires_grad = requires_grad;
            return this;
        }

        public bool is_leaf => Kept(NativeMethods.ts_is_leaf(Handle) != 0);

        /// <summary>The accumulated gradient, a new handle at every call; null before backward.</summary>
        public Tensor? grad
        {
            get
            {
                NativeMethods.Check(NativeMethods.ts_grad(Handle, out var gradient));
                GC.KeepAlive(this);
                return gradient == 0 ? null : new Tensor(gradient);
            }
            set
            {
                NativeMethods.Check(NativeMethods.ts_set_grad(Handle, value?.Handle ?? 0));
                GC.KeepAlive(value);
                GC.KeepAlive(this);
            }
        }

        public void backward() => autograd.backward([this]);

        /// <summary>The elements in place: contiguous CPU tensors below 2 GiB only.</summary>
        public Span<byte> bytes
        {
            get
            {
                if (device_type != DeviceType.CPU) throw new InvalidOperationException($"bytes of a tensor on {device}; copy it to the CPU first");
                if (!is_contiguous()) throw new InvalidOperationException("bytes of a tensor that is not contiguous");
                var count = checked((int)(numel() * NativeMethods.ts_element_size(Handle)));
                NativeMethods.Check(NativeMethods.ts_data_ptr(Handle, out var address));
                unsafe
                {
                    return new Span<byte>((void*)address, count);
                }
            }
            set => value.CopyTo(bytes);
        }

        /// <summary>Elements as T; T has to be the element type of the tensor.</summary>
        public Utils.TensorAccessor<T> data<T>() where T : unmanaged => new(this);

        public Storage<T> storage<T>() where T : unmanaged => new(this);

        public long storage_offset() => Kept(NativeMethods.ts_storage_offset(Handle));

        /// <summary>The only element; waits for the device.</summary>
        public T item<T>() where T : unmanaged
        {
            NativeMethods.Check(NativeMethods.ts_item(Handle, out var kind, out var integral, out var floating));
            GC.KeepAlive(this);
            object value = (kind, default(T)) switch
            {
                (1, float) => (float)floating,
                (1, double) => floating,
                (0, int) => checked((int)integral),
                (0, long) => integral,
                (0, bool) => integral != 0,
                _ => throw new ArgumentException($"a {dtype} tensor read as {typeof(T).Name}"),
            };
            return (T)value;
        }

        // No finalizer of this tensor runs before the value has been read.
        private T Kept<T>(T value)
        {
            GC.KeepAlive(this);
            return value;
        }

        private void ReleaseHandle()
        {
            var handle = Interlocked.Exchange(ref _handle, 0);
            if (handle == 0) return;
            Interlocked.Decrement(ref _totalCount);
            NativeMethods.ts_delete(handle);
        }

        private static void InterlockedMax(ref long target, long value)
        {
            var seen = Interlocked.Read(ref target);
            while (value > seen)
            {
                var before = Interlocked.CompareExchange(ref target, value, seen);
                if (before == seen) return;
                seen = before;
            }
        }
    }
}
