using System.Globalization;
using System.Runtime.InteropServices;

namespace TorchSharp;

/// <summary>The root of the API: factories, operations, devices and modes, named as in PyTorch.</summary>
public static partial class torch
{
    /// <summary>Element types, with libtorch's numbers.</summary>
    public enum ScalarType : sbyte
    {
        Byte = 0,
        Int8 = 1,
        Int16 = 2,
        Int32 = 3,
        Int64 = 4,
        Float16 = 5,
        Float32 = 6,
        Float64 = 7,
        Bool = 11,
        BFloat16 = 15,
    }

    /// <summary>Where a tensor lives.</summary>
    public class Device
    {
        public Device(DeviceType deviceType, int index = -1)
        {
            type = deviceType;
            this.index = index;
        }

        public Device(string description)
        {
            var colon = description.IndexOf(':', StringComparison.Ordinal);
            var kind = colon < 0 ? description : description[..colon];
            type = kind switch
            {
                "cpu" => DeviceType.CPU,
                "cuda" => DeviceType.CUDA,
                _ => throw new ArgumentException($"unknown device '{description}'", nameof(description)),
            };
            index = colon < 0 ? -1 : int.Parse(description[(colon + 1)..], CultureInfo.InvariantCulture);
        }

        public DeviceType type { get; }

        public int index { get; }

        public override string ToString() => type == DeviceType.CPU ? "cpu" : index < 0 ? "cuda" : $"cuda:{index}";
    }

    // Assignable, as in the real package: code that needs a constant says ScalarType.Int32.
    public static ScalarType int32 = ScalarType.Int32;
    public static ScalarType int64 = ScalarType.Int64;
    public static ScalarType float32 = ScalarType.Float32;
    public static ScalarType float64 = ScalarType.Float64;
    public static ScalarType bfloat16 = ScalarType.BFloat16;

    public static readonly Device CPU = new(DeviceType.CPU);

    public static Device CUDA { get; } = new(DeviceType.CUDA);

    public static Device device(string description) => new(description);

    public static void set_num_threads(int num) => NativeMethods.Check(NativeMethods.ts_set_num_threads(num));

    public static int get_num_threads() => NativeMethods.ts_get_num_threads();

    public static Generator manual_seed(long seed)
    {
        NativeMethods.Check(NativeMethods.ts_manual_seed(seed));
        return new Generator(unchecked((ulong)seed));
    }

    public static string __version__ => NativeMethods.TorchVersion;

    /// <summary>GPUs.</summary>
    public static class cuda
    {
        public static bool is_available() => NativeMethods.ts_cuda_is_available() != 0;

        public static int device_count()
        {
            NativeMethods.Check(NativeMethods.ts_cuda_device_count(out var count));
            return count;
        }
    }

    /// <summary>A stream of random numbers of its own.</summary>
    public class Generator : IDisposable
    {
        private nint _handle;

        public Generator(ulong seed = 0, Device? device = null)
        {
            if (device is not null && device.type != DeviceType.CPU)
                throw new ArgumentException($"a generator on {device} is not supported; use the CPU's", nameof(device));
            NativeMethods.Check(NativeMethods.ts_generator_new(seed, out _handle));
        }

        ~Generator() => Dispose(false);

        public nint Handle => _handle == 0 ? throw new ObjectDisposedException(nameof(Generator)) : _handle;

        public Generator manual_seed(long seed)
        {
            NativeMethods.Check(NativeMethods.ts_generator_manual_seed(Handle, seed));
            return this;
        }

        public void Dispose()
        {
            Dispose(true);
            GC.SuppressFinalize(this);
        }

        protected virtual void Dispose(bool disposing)
        {
            var handle = Interlocked.Exchange(ref _handle, 0);
            if (handle != 0) NativeMethods.ts_generator_delete(handle);
        }
    }

    // ---- factories ----

    public static Tensor empty(long[] size, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, string[]? names = null)
        => Create(size, dtype, device, requires_grad, fill: null);

    public static Tensor empty(long size, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, string[]? names = null)
        => Create([size], dtype, device, requires_grad, fill: null);

    public static Tensor empty(long rows, long columns, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, string[]? names = null)
        => Create([rows, columns], dtype, device, requires_grad, fill: null);

    public static Tensor zeros(long[] size, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, string[]? names = null)
        => Create(size, dtype, device, requires_grad, fill: 0);

    public static Tensor zeros(long size, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, string[]? names = null)
        => Create([size], dtype, device, requires_grad, fill: 0);

    public static Tensor zeros(long rows, long columns, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, string[]? names = null)
        => Create([rows, columns], dtype, device, requires_grad, fill: 0);

    public static Tensor ones(long[] size, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, string[]? names = null)
        => Create(size, dtype, device, requires_grad, fill: 1);

    public static Tensor arange(Scalar stop, ScalarType? dtype = null, Device? device = null, bool requires_grad = false)
        => arange(0L, stop, dtype, device, requires_grad);

    public static Tensor arange(Scalar start, Scalar stop, ScalarType? dtype = null, Device? device = null, bool requires_grad = false)
    {
        var kind = Math.Max(start.Kind, stop.Kind);
        var type = dtype ?? (kind == 0 ? ScalarType.Int64 : ScalarType.Float32);
        var place = device ?? CPU;
        NativeMethods.Check(NativeMethods.ts_arange(kind, start.Integral, AsDouble(start), stop.Integral, AsDouble(stop), 1, 1,
            (int)type, (int)place.type, place.index, out var handle));
        return new Tensor(handle).requires_grad_(requires_grad);
    }

    public static unsafe Tensor randn(long[] size, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, Generator? generator = null, string[]? names = null)
    {
        var place = device ?? CPU;
        fixed (long* shape = size)
        {
            NativeMethods.Check(NativeMethods.ts_randn(shape, size.Length, generator?.Handle ?? 0, (int)(dtype ?? ScalarType.Float32),
                (int)place.type, place.index, out var handle));
            GC.KeepAlive(generator);
            return new Tensor(handle).requires_grad_(requires_grad);
        }
    }

    public static Tensor tensor(float[] rawArray, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, string[]? names = null)
        => CopyOf(rawArray, ScalarType.Float32, dtype, device, requires_grad);

    public static Tensor tensor(double[] rawArray, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, string[]? names = null)
        => CopyOf(rawArray, ScalarType.Float64, dtype, device, requires_grad);

    public static Tensor tensor(int[] rawArray, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, string[]? names = null)
        => CopyOf(rawArray, ScalarType.Int32, dtype, device, requires_grad);

    public static Tensor tensor(long[] dataArray, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, string[]? names = null)
        => CopyOf(dataArray, ScalarType.Int64, dtype, device, requires_grad);

    /// <summary>
    /// A tensor of <paramref name="size"/> elements over a mapping of the file: what is written to it is seen by others who map the file and
    /// stays in it where <paramref name="shared"/> is true, and is this tensor's own otherwise. A shared file that is too short grows.
    /// </summary>
    public static Tensor from_file(string filename, bool? shared = null, long? size = 0, ScalarType? dtype = null, Device? device = null, bool requires_grad = false)
    {
        var place = device ?? CPU;
        NativeMethods.Check(NativeMethods.ts_from_file(filename, shared == true ? 1 : 0, size ?? 0, (int)(dtype ?? ScalarType.Float32),
            (int)place.type, place.index, out var handle));
        return new Tensor(handle).requires_grad_(requires_grad);
    }

    /// <summary>A tensor over the array itself, which stays pinned until the tensor's memory is released.</summary>
    public static unsafe Tensor frombuffer(Array rawArray, ScalarType dtype, long count = -1, long offset = 0, bool requires_grad = false)
    {
        var available = rawArray.LongLength - offset;
        var length = count < 0 ? available : count;
        if (offset < 0 || length > available)
            throw new ArgumentException($"{length} elements from {offset} do not fit an array of {rawArray.LongLength}", nameof(count));
        var pin = GCHandle.Alloc(rawArray, GCHandleType.Pinned);
        var address = pin.AddrOfPinnedObject() + (nint)offset * ElementSize(dtype);
        var status = NativeMethods.ts_from_blob((void*)address, &length, 1, (int)dtype, GCHandle.ToIntPtr(pin), &ReleasePin, out var handle);
        if (status != 0) pin.Free();
        NativeMethods.Check(status);
        return new Tensor(handle).requires_grad_(requires_grad);
    }

    // ---- operations ----

    public static unsafe Tensor cat(IList<Tensor> tensors, long dim = 0)
    {
        var handles = Handles(tensors);
        fixed (nint* pointer = handles)
        {
            NativeMethods.Check(NativeMethods.ts_cat(pointer, handles.Length, dim, out var result));
            GC.KeepAlive(tensors);
            return new Tensor(result);
        }
    }

    public static unsafe Tensor stack(IEnumerable<Tensor> tensors, long dim = 0)
    {
        var list = tensors.ToArray();
        var handles = Handles(list);
        fixed (nint* pointer = handles)
        {
            NativeMethods.Check(NativeMethods.ts_stack(pointer, handles.Length, dim, out var result));
            GC.KeepAlive(list);
            return new Tensor(result);
        }
    }

    public static Tensor matmul(Tensor input, Tensor target) => input.matmul(target);

    public static Tensor mm(Tensor input, Tensor target) => input.mm(target);

    // ---- modes and scopes ----

    public static IDisposable no_grad() => new GradMode(enabled: false);

    public static IDisposable enable_grad(bool enabled = true) => new GradMode(enabled);

    public static bool is_grad_enabled() => NativeMethods.ts_is_grad_enabled() != 0;

    public static DisposeScope NewDisposeScope() => DisposeScopeManager.Open();

    private sealed class GradMode : IDisposable
    {
        private readonly bool _before = is_grad_enabled();

        public GradMode(bool enabled) => NativeMethods.ts_set_grad_enabled(enabled ? 1 : 0);

        public void Dispose() => NativeMethods.ts_set_grad_enabled(_before ? 1 : 0);
    }

    internal static int ElementSize(ScalarType dtype) => dtype switch
    {
        ScalarType.Byte or ScalarType.Int8 or ScalarType.Bool => 1,
        ScalarType.Int16 or ScalarType.Float16 or ScalarType.BFloat16 => 2,
        ScalarType.Int32 or ScalarType.Float32 => 4,
        _ => 8,
    };

    internal static nint[] Handles(IList<Tensor> tensors)
    {
        var handles = new nint[tensors.Count];
        for (var i = 0; i < handles.Length; i++) handles[i] = tensors[i].Handle;
        return handles;
    }

    [UnmanagedCallersOnly]
    private static void ReleasePin(long context) => GCHandle.FromIntPtr((nint)context).Free();

    private static double AsDouble(Scalar scalar) => scalar.Kind == 0 ? scalar.Integral : scalar.Floating;

    private static unsafe Tensor Create(long[] size, ScalarType? dtype, Device? device, bool requiresGrad, double? fill)
    {
        var type = (int)(dtype ?? ScalarType.Float32);
        var place = device ?? CPU;
        fixed (long* shape = size)
        {
            NativeMethods.Check(fill is { } value
                ? NativeMethods.ts_full(shape, size.Length, value, type, (int)place.type, place.index, requiresGrad ? 1 : 0, out var handle)
                : NativeMethods.ts_empty(shape, size.Length, type, (int)place.type, place.index, requiresGrad ? 1 : 0, out handle));
            return new Tensor(handle);
        }
    }

    private static Tensor CopyOf<T>(T[] array, ScalarType own, ScalarType? dtype, Device? device, bool requiresGrad) where T : unmanaged
    {
        var result = Create([array.LongLength], own, CPU, requiresGrad: false, fill: null);
        MemoryMarshal.AsBytes(array.AsSpan()).CopyTo(result.bytes);
        var type = dtype ?? own;
        var place = device ?? CPU;
        if (type != own || place.type != DeviceType.CPU)
        {
            using var source = result;
            result = source.to(type, place);
        }
        return result.requires_grad_(requiresGrad);
    }
}
