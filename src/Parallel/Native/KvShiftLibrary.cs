using System.Reflection;
using System.Runtime.InteropServices;
using KvShiftScale.Core;

namespace KvShiftScale.Parallel.Native;

/// <summary>
/// Finds what CMake builds of native/: <c>libkvshift.so</c>, the kernels, which need no MPI, and in a folder for each MPI what is built against it
/// (<see cref="MpiLibrary"/>). There is one copy for all programs of a checkout.
/// </summary>
public static class KvShiftLibrary
{
    /// <summary>What the kernels are imported from.</summary>
    internal const string Kernels = "kvshift";

    // KVS_ABI_VERSION of native/include/kvshift.h.
    private const int AbiVersion = 8;

    // Beside the program where it was published; told by its runtimeconfig.json where it was built (Directory.Build.targets).
    private const string PublishedFolder = "native";
    private const string BuiltFolderOption = "KvShift.NativeFolder";

    private static readonly HashSet<Assembly> Resolved = [];
    private static readonly Lazy<nint> KernelsHandle = new(static () => Load(Path.Combine(Folder, FileName(Kernels)), "kvs_abi_version"));

    /// <summary>The folder with libkvshift.so.</summary>
    public static string Folder
    {
        get
        {
            var published = Path.Combine(AppContext.BaseDirectory, PublishedFolder);
            return File.Exists(Path.Combine(published, FileName(Kernels))) || AppContext.GetData(BuiltFolderOption) is not string built
                ? published
                : Path.GetFullPath(built, AppContext.BaseDirectory);
        }
    }

    /// <summary>Has an assembly find its imports of libkvshift. A static constructor of each class that has such imports calls it.</summary>
    public static void ResolveFor(Assembly assembly)
    {
        lock (Resolved)
        {
            if (Resolved.Add(assembly))
            {
                NativeLibrary.SetDllImportResolver(assembly, static (name, _, _) => name switch
                {
                    Kernels => KernelsHandle.Value,
                    MpiLibrary.Collectives => MpiLibrary.CollectivesHandle,
                    _ => 0,
                });
            }
        }
    }

    /// <summary>The name of a library's file.</summary>
    internal static string FileName(string library) => $"lib{library}.so";

    /// <summary>Loads a library of native/ and sees that it is built from the sources that this program is built from.</summary>
    /// <param name="path">Its file.</param>
    /// <param name="abiVersion">Its function that tells KVS_ABI_VERSION.</param>
    /// <exception cref="KvShiftLibraryException">It is missing, of other sources, or does not load on this machine.</exception>
    internal static unsafe nint Load(string path, string abiVersion)
    {
        if (!File.Exists(path))
        {
            throw new KvShiftLibraryException($"found no {path}; wanted what launch/setup builds there. Run launch/setup");
        }

        nint handle;
        try
        {
            handle = NativeLibrary.Load(path);
        }
        catch (DllNotFoundException exception)
        {
            throw new KvShiftLibraryException($"{path} cannot be loaded: {exception.Message}", exception);
        }

        var version = NativeLibrary.TryGetExport(handle, abiVersion, out var function) ? ((delegate* unmanaged<int>)function)() : 0;
        return version == AbiVersion
            ? handle
            : throw new KvShiftLibraryException(FormattableString.Invariant($"found ABI version {version} in {path}; wanted {AbiVersion}, that of this program. ")
                + "Build both from the same sources with launch/setup");
    }
}

/// <summary>A library of native/ cannot be used: it is missing, of other sources, or does not load on this machine.</summary>
public class KvShiftLibraryException : UsageException
{
    public KvShiftLibraryException(string message, Exception? inner = null) : base(message, inner)
    {
    }
}
