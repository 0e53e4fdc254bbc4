using TorchSharp;

namespace KvShiftScale.Parallel.Kernels;

/// <summary>Element types of libkvshift's kernels, with its numbers.</summary>
public static class KernelDataType
{
    /// <summary>
    /// The <see cref="AppContext"/> switch that turns the fused kernels off: every operation is then composed of libtorch's, as on
    /// devices and for types without kernels. Tests compare the two with it.
    /// </summary>
    public const string ComposedOperationsSwitch = "KvShiftScale.ComposedOperations";

    /// <summary>True for tensors that the fused CPU kernels take: float32 and float64 in host memory.</summary>
    public static bool Supports(torch.Tensor tensor)
        => tensor.device_type == DeviceType.CPU && tensor.dtype is (torch.ScalarType.Float32 or torch.ScalarType.Float64)
            && !(AppContext.TryGetSwitch(ComposedOperationsSwitch, out var composed) && composed);

    /// <summary>The library's number for the element type of <paramref name="tensor"/>.</summary>
    public static int Of(torch.Tensor tensor) => tensor.dtype switch
    {
        torch.ScalarType.Float32 => 0,
        torch.ScalarType.Float64 => 1,
        _ => throw new ArgumentException($"kernels take float32 and float64, not {tensor.dtype}", nameof(tensor)),
    };
}
