using System.Runtime.InteropServices;
using KvShiftScale.Core;

namespace KvShiftScale.Parallel.Native;

/// <summary>
/// Finds libtorch and TorchSharp's own library and loads both by their paths. It has to happen before the first use of <c>torch</c>: left alone,
/// TorchSharp looks beside its assembly, and then copies half a gigabyte out of the package cache into the program's folder.
/// </summary>
public static partial class Libtorch
{
    // Beside the program where it was published; told by its runtimeconfig.json where it was built (Directory.Build.targets).
    private const string PublishedFolder = "torch";
    private const string BuiltFolderOption = "KvShift.TorchFolder";

    private const string TorchSharpLibrary = "libLibTorchSharp.so";
    private const string IosInitLibrary = "libkvshift_ios_init.so";

    // Each needs those before it; what is loaded by its path satisfies a later need by its name, so that libLibTorchSharp.so takes this libtorch
    // and none that lies beside it. A CUDA libtorch has the last as well, which nothing refers to, so that it must be opened by name.
    private static readonly string[] Libraries = ["libc10.so", "libtorch_cpu.so", "libtorch.so"];
    private static readonly string[] CudaLibraries = ["libc10_cuda.so", "libtorch_cuda.so"];

    private static readonly Lock Loading = new();
    private static string? LoadedFolder;

    /// <summary>Loads libtorch once for this process; a later call does nothing.</summary>
    /// <param name="folder">
    /// The folder with libtorch_cpu.so: the <c>torch/lib</c> of a PyTorch wheel, or a CUDA libtorch, of the version that TorchSharp was built
    /// against. Null for the one of the package.
    /// </param>
    /// <returns>The folder that libtorch was loaded from.</returns>
    /// <exception cref="LibtorchException">A library is missing, or cannot be loaded on this machine.</exception>
    public static string Load(string? folder = null)
    {
        lock (Loading)
        {
            if (LoadedFolder is not null)
            {
                return LoadedFolder;
            }

            var own = OwnFolder();
            var chosen = folder is null ? own : Path.GetFullPath(folder);
            if (!File.Exists(Path.Combine(chosen, "libtorch_cpu.so")))
            {
                throw new LibtorchException(folder is null
                    ? $"found no libtorch_cpu.so in {chosen}; wanted what launch/setup puts there. Run launch/setup"
                    : $"found no libtorch_cpu.so in {chosen}; wanted the folder of a libtorch, for example the torch/lib of a PyTorch wheel");
            }

            foreach (var library in Libraries.Concat(CudaLibraries.Where(name => File.Exists(Path.Combine(chosen, name)))))
            {
                LoadLibrary(Path.Combine(chosen, library));
            }
            LoadTorchSharp(own);
            return LoadedFolder = chosen;
        }
    }

    private static void LoadTorchSharp(string folder)
    {
        // Defines one function of newer versions of libstdc++ for older ones (native/libstdcxx), for everybody: hence globally.
        const int now = 2, global = 0x100;
        var iosInit = Path.Combine(folder, IosInitLibrary);
        if (File.Exists(iosInit) && dlopen(iosInit, now | global) == 0)
        {
            throw new LibtorchException($"{iosInit} cannot be loaded: {Marshal.PtrToStringUTF8(dlerror())}");
        }
        LoadLibrary(Path.Combine(folder, TorchSharpLibrary));
    }

    private static void LoadLibrary(string path)
    {
        try
        {
            NativeLibrary.Load(path);
        }
        catch (DllNotFoundException exception)
        {
            throw new LibtorchException($"{path} cannot be loaded: {exception.Message}", exception);
        }
    }

    private static string OwnFolder()
    {
        var published = Path.Combine(AppContext.BaseDirectory, PublishedFolder);
        return File.Exists(Path.Combine(published, TorchSharpLibrary)) || AppContext.GetData(BuiltFolderOption) is not string built
            ? published
            : Path.GetFullPath(built, AppContext.BaseDirectory);
    }

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint dlopen(string path, int flags);

    [LibraryImport("libc")]
    private static partial nint dlerror();
}

/// <summary>libtorch cannot be used: a library is missing, or does not load on this machine.</summary>
public sealed class LibtorchException : UsageException
{
    public LibtorchException(string message, Exception? inner = null) : base(message, inner)
    {
    }
}
