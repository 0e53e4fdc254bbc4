using TorchSharp;

namespace KvShiftScale.Testing;

/// <summary>How many tensors of this process are alive.</summary>
internal static class LiveTensors
{
    /// <summary>
    /// The count with nothing of earlier tests still to be collected: <see cref="torch.Tensor.TotalCount"/> is the whole process's, and would fall by what others
    /// had left to the finalizer while a test counts. Taken before; what the test itself leaves has to show, so afterwards TotalCount is read as it is.
    /// </summary>
    public static long Settled()
    {
        Collect();
        return torch.Tensor.TotalCount;
    }

    /// <summary>Returns when the finalizers of everything that nothing holds have run.</summary>
    public static void Collect()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
    }
}
