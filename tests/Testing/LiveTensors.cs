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

    /// <summary>
    /// Returns when the finalizers of everything that nothing holds have run, of what only such objects held too: a finalizer may free a strong
    /// handle, and what hung on that is garbage for the next collection only.
    /// </summary>
    public static void Collect()
    {
        // Each round but the last two frees something, so that this ends.
        for (long before = -1, count = -2; before != count;)
        {
            before = count;
            GC.Collect();
            GC.WaitForPendingFinalizers();
            count = torch.Tensor.TotalCount;
        }
    }
}
