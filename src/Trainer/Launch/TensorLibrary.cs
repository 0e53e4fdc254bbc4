using KvShiftScale.Parallel.Native;

namespace KvShiftScale.Trainer.Launch;

/// <summary>libtorch for this process. Every verb that computes loads it before anything else touches tensors.</summary>
internal static class TensorLibrary
{
    /// <summary>Folder of a libtorch that is used instead of the package's: the <c>torch/lib</c> of a PyTorch wheel, a CUDA libtorch.</summary>
    public const string Variable = "KVSHIFT_LIBTORCH";

    /// <summary>Loads it once; a later call does nothing.</summary>
    /// <returns>The folder that it was loaded from.</returns>
    /// <exception cref="LibtorchException">There is none in the folder, or it does not load on this machine.</exception>
    public static string Load() => Libtorch.Load(Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } folder ? folder : null);
}
