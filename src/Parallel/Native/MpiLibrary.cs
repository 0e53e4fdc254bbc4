using System.Runtime.InteropServices;

namespace KvShiftScale.Parallel.Native;

/// <summary>
/// Chooses the MPI of this process and loads what is built against it (native/mpi_libraries.cmake): libkvshift's collectives, with Microsoft MPI's
/// functions in front of it, which MPI.NET imports under the name of <c>msmpi.dll</c>. It has to happen before the first use of MPI.NET or of a group of ranks. A process that no launcher
/// has started needs no MPI, and no MPI has to be there for it.
/// </summary>
public static class MpiLibrary
{
    /// <summary>Environment variable that names the MPI: openmpi or mpich. Without it the launcher's variables do.</summary>
    public const string Variable = "KVSHIFT_MPI";

    /// <summary>What the collectives are imported from.</summary>
    internal const string Collectives = "kvshift_collectives";

    private const string MsMpi = "kvshift_msmpi";

    // MPI.NET's own name for what it imports from.
    private const string MpiNetImport = "msmpi.dll";

    private static readonly Lock Loading = new();
    private static LoadedMpi? LoadedHere;

    /// <summary>The library of the collectives.</summary>
    /// <exception cref="InvalidOperationException"><see cref="Load"/> was not called.</exception>
    internal static nint CollectivesHandle => Loaded.Collectives;

    /// <summary>Path of the library that MPI.NET's calls go to.</summary>
    /// <exception cref="InvalidOperationException"><see cref="Load"/> was not called.</exception>
    internal static string MsMpiPath => Loaded.MsMpiPath;

    private static LoadedMpi Loaded
        => LoadedHere ?? throw new InvalidOperationException($"no MPI is loaded: {nameof(MpiLibrary)}.{nameof(Load)} comes before the first use of ranks");

    /// <summary>Chooses and loads the MPI of this process once; a later call does nothing.</summary>
    /// <param name="variable">Value of an environment variable, or null.</param>
    /// <returns>The MPI.</returns>
    /// <exception cref="MpiLibraryException">The launcher, <see cref="Variable"/> and what is built do not fit, or another MPI is found than was built against.</exception>
    /// <exception cref="KvShiftLibraryException">A library is missing, of other sources, or does not load on this machine.</exception>
    public static MpiFlavor Load(Func<string, string?> variable)
    {
        lock (Loading)
        {
            if (LoadedHere is null)
            {
                var folder = KvShiftLibrary.Folder;
                LoadedHere = LoadFrom(folder, Choose(variable, BuiltIn(folder), folder));
                NativeLibrary.SetDllImportResolver(typeof(MPI.Environment).Assembly, static (name, _, _) => name == MpiNetImport ? Loaded.MsMpi : 0);
            }

            return LoadedHere.Flavor;
        }
    }

    /// <summary>The MPIs that libraries are built for in a folder.</summary>
    public static IReadOnlyList<MpiFlavor> BuiltIn(string folder)
        => [.. Enum.GetValues<MpiFlavor>().Where(flavor => File.Exists(PathOf(folder, flavor)))];

    /// <summary>The MPI of a process with such an environment: the one that is named, else that of the launcher, else the one that is there.</summary>
    /// <param name="variable">Value of an environment variable, or null.</param>
    /// <param name="built">Those that libraries are built for.</param>
    /// <param name="folder">Where these lie, for the messages.</param>
    /// <exception cref="MpiLibraryException">These do not fit together.</exception>
    public static MpiFlavor Choose(Func<string, string?> variable, IReadOnlyList<MpiFlavor> built, string folder)
    {
        var named = Named(variable(Variable));
        var launch = MpiLaunch.Of(variable);
        if (named is { } other && launch is { IsCertain: true } && launch.Flavor != other)
        {
            throw new MpiLibraryException($"found {Variable}={other.Key} in a launch by {launch.Flavor.Title} ({launch.Sign}); wanted one MPI for both: "
                + $"start it with {other.Title}'s mpirun, or unset {Variable}");
        }

        if (built.Count == 0)
        {
            throw new MpiLibraryException($"found no library for any MPI in {folder}; wanted one, as this process is one of several ranks: "
                + $"install {(named ?? launch?.Flavor ?? MpiFlavor.OpenMpi).Package} and run launch/setup");
        }

        var chosen = named ?? launch?.Flavor ?? built[0];
        return built.Contains(chosen)
            ? chosen
            : throw new MpiLibraryException($"found no libraries for {chosen.Title} in {folder}, only for {string.Join(" and ", built.Select(flavor => flavor.Title))}; "
                + (named is null ? $"wanted them, as this is a launch by {chosen.Title} ({launch!.Sign})" : $"wanted them for {Variable}={chosen.Key}")
                + $": install {chosen.Package} and run launch/setup, or start with {built[0].Title}'s mpirun");
    }

    /// <summary>The MPI that a library with such a name is (MPI_Get_library_version); null where it is neither.</summary>
    public static MpiFlavor? OfLibraryName(string name)
    {
        // "Open MPI v4.1.4, ...", "MPICH Version: 4.0.2", "MPI VERSION : CRAY MPICH version 8.1", "MVAPICH2 Version: 2.3", "Intel(R) MPI Library 2021.11 ...".
        return name.StartsWith("Open MPI", StringComparison.Ordinal) ? MpiFlavor.OpenMpi
            : name.Contains("MPICH", StringComparison.Ordinal) || name.StartsWith("MVAPICH", StringComparison.Ordinal)
                || name.StartsWith("Intel(R) MPI", StringComparison.Ordinal) ? MpiFlavor.Mpich
            : null;
    }

    /// <summary>The MPI that a value of <see cref="Variable"/> names; null where there is no value.</summary>
    /// <exception cref="MpiLibraryException">It names none.</exception>
    public static MpiFlavor? Named(string? value) => value switch
    {
        null or "" => null,
        _ => Enum.GetValues<MpiFlavor>().Cast<MpiFlavor?>().FirstOrDefault(flavor => flavor!.Value.Key == value)
            ?? throw new MpiLibraryException($"found {Variable}={value}; wanted {string.Join(" or ", Enum.GetValues<MpiFlavor>().Select(flavor => flavor.Key))}"),
    };

    private static unsafe LoadedMpi LoadFrom(string folder, MpiFlavor flavor)
    {
        try
        {
            var path = PathOf(folder, flavor);
            var collectives = KvShiftLibrary.Load(path, "kvs_collectives_abi_version");
            RequireFlavor(collectives, path, flavor);
            var msMpiPath = Path.Combine(folder, KvShiftLibrary.FileName(MsMpi));
            var msMpi = KvShiftLibrary.Load(msMpiPath, "kvs_msmpi_abi_version");
            RequireFunctions(msMpi, msMpiPath, MpiNet.Functions);
            var calls = (delegate* unmanaged<void*>)NativeLibrary.GetExport(collectives, "kvs_msmpi_calls");
            ((delegate* unmanaged<void*, void>)NativeLibrary.GetExport(msMpi, "kvs_msmpi_use"))(calls());
            return new LoadedMpi(flavor, collectives, msMpi, msMpiPath);
        }
        catch (KvShiftLibraryException exception) when (exception.InnerException is DllNotFoundException)
        {
            throw new KvShiftLibraryException($"{exception.Message}. Wanted {flavor.Title}, which it was built against: install {flavor.Package}, or run launch/setup "
                + "again if its MPI has changed", exception);
        }
    }

    /// <summary>Sees that a library has functions, so that one which it lacks is told with its name, and not by the type that needs it first.</summary>
    /// <exception cref="KvShiftLibraryException">It lacks some.</exception>
    internal static void RequireFunctions(nint library, string path, IEnumerable<string> functions)
    {
        var missing = functions.Where(name => !NativeLibrary.TryGetExport(library, name, out _)).ToList();
        if (missing.Count > 0)
        {
            throw new KvShiftLibraryException($"found no {string.Join(", ", missing)} in {path}; wanted all functions that MPI.NET is asked for. "
                + "Build it from this program's sources with launch/setup");
        }
    }

    // Another MPI may lie under the file name of the one that was built against.
    private static unsafe void RequireFlavor(nint collectives, string path, MpiFlavor flavor)
    {
        var function = (delegate* unmanaged<byte**, int>)NativeLibrary.GetExport(collectives, "kvs_mpi_name");
        byte* text;
        if (function(&text) != 0)
        {
            throw new MpiLibraryException($"found an MPI behind {path} that does not tell its name; wanted {flavor.Title}");
        }

        var name = Marshal.PtrToStringUTF8((nint)text)!;
        if (OfLibraryName(name) != flavor)
        {
            throw new MpiLibraryException($"found '{name}' behind {path}; wanted {flavor.Title}, which it was built against: run launch/setup with the MPI that is "
                + "to be used, or see which libraries LD_LIBRARY_PATH puts in front");
        }
    }

    private static string PathOf(string folder, MpiFlavor flavor) => Path.Combine(folder, flavor.Key, KvShiftLibrary.FileName(Collectives));

    private sealed record LoadedMpi(MpiFlavor Flavor, nint Collectives, nint MsMpi, string MsMpiPath);
}

/// <summary>No MPI of this process fits what has started it, what is built, or what is installed.</summary>
public sealed class MpiLibraryException : KvShiftLibraryException
{
    public MpiLibraryException(string message, Exception? inner = null) : base(message, inner)
    {
    }
}
