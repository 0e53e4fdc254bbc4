using static TorchSharp.torch;

namespace KvShiftScale.Parallel.Kernels;

/// <summary>Where a model lives and what computes there.</summary>
/// <param name="Memory">libtorch's device, which holds its tensors.</param>
/// <param name="Kernels">What computes, in the element type that it was made for.</param>
public sealed record ComputeDevice(Device Memory, IKernels Kernels)
{
    /// <summary>This process's processors and memory.</summary>
    /// <param name="dtype">Element type of parameters and activations.</param>
    /// <param name="choice">Which kernels.</param>
    /// <exception cref="NotSupportedException">Nothing computes in that type.</exception>
    public static ComputeDevice Host(ScalarType dtype, KernelChoice choice = KernelChoice.Auto) => new(CPU, (choice, dtype) switch
    {
        (KernelChoice.Auto, ScalarType.Float32 or ScalarType.Float64 or ScalarType.BFloat16) => new HostKernels(dtype),
        _ => new ComposedKernels(dtype),
    });
}

/// <summary>Which kernels of those that a device has.</summary>
public enum KernelChoice
{
    /// <summary>The device's own as far as they take the element type.</summary>
    Auto,

    /// <summary>libtorch's operations: slower, and what every other set is compared with.</summary>
    Composed,
}
