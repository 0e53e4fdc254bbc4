using TorchSharp;

namespace KvShiftScale.Parallel.Kernels;

/// <summary>The one place where a tensor becomes an address.</summary>
public static class TensorMemory
{
    /// <summary>
    /// Address of the first element of a contiguous tensor in host memory. The caller keeps the tensor alive while it uses the
    /// address.
    /// </summary>
    /// <exception cref="NotSupportedException">The tensor is on a device.</exception>
    public static unsafe nint Address(torch.Tensor tensor)
    {
        if (tensor.device_type != DeviceType.CPU)
        {
            // Kernels and collectives of libkvshift are for host memory; elsewhere TorchSharp would hand out the address of a copy.
            throw new NotSupportedException($"a tensor on {tensor.device} has no address in host memory, where kernels and collectives work");
        }

        if (tensor.numel() == 0)
        {
            return 0;
        }

        if (!tensor.is_contiguous())
        {
            throw new ArgumentException("the address of a tensor that is not contiguous", nameof(tensor));
        }

        // Tensor.bytes ends at 2 GiB; one element is enough to know where a larger tensor begins.
        if (tensor.numel() > int.MaxValue / sizeof(double))
        {
            using var scope = torch.NewDisposeScope();
            fixed (byte* first = tensor.view(-1).narrow(0, 0, 1).bytes)
            {
                return (nint)first;
            }
        }
        fixed (byte* first = tensor.bytes)
        {
            return (nint)first;
        }
    }

    /// <summary><see cref="Address"/>, or 0 for null.</summary>
    public static nint AddressOrNull(torch.Tensor? tensor) => tensor is null ? 0 : Address(tensor);
}
