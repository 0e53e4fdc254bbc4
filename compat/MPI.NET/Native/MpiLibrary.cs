using System.Runtime.InteropServices;
using System.Text;
using System.Text.RegularExpressions;

namespace MPI.Native;

/// <summary>The MPI library of this process: found once, with the functions that this assembly calls.</summary>
internal sealed unsafe partial class MpiLibrary
{
    // Larger than the limits of either implementation: 256 and 512 for errors, 256 and 128 for names, 8192 for the version.
    const int TextCapacity = 8192 + 1;

    static readonly string[] _fileNames = ["libmpi.so.40", "libmpi.so.12", "libmpich.so.12", "libmpi.so"];

    static readonly Lazy<MpiLibrary> _instance = new(Load);

    public readonly delegate* unmanaged[Cdecl]<int*, int> Initialized;
    public readonly delegate* unmanaged[Cdecl]<int*, int> Finalized;
    public readonly delegate* unmanaged[Cdecl]<nint, nint, int, int*, int> InitThread;
    public readonly delegate* unmanaged[Cdecl]<int> Finalize;
    public readonly delegate* unmanaged[Cdecl]<int*, int> QueryThread;
    public readonly delegate* unmanaged[Cdecl]<nint, int, int> Abort;
    public readonly delegate* unmanaged[Cdecl]<nint, nint, int> SetErrorHandler;
    public readonly delegate* unmanaged[Cdecl]<nint, int*, int> Rank;
    public readonly delegate* unmanaged[Cdecl]<nint, int*, int> Size;
    public readonly delegate* unmanaged[Cdecl]<nint, int, int, nint*, int> Split;
    public readonly delegate* unmanaged[Cdecl]<nint, nint*, int> Duplicate;
    public readonly delegate* unmanaged[Cdecl]<nint*, int> Free;
    public readonly delegate* unmanaged[Cdecl]<nint, int> Barrier;
    public readonly delegate* unmanaged[Cdecl]<void*, int, nint, int, nint, int> Broadcast;
    public readonly delegate* unmanaged[Cdecl]<void*, void*, int, nint, nint, nint, int> Allreduce;
    public readonly delegate* unmanaged[Cdecl]<void*, int, nint, void*, int, nint, nint, int> Allgather;
    public readonly delegate* unmanaged[Cdecl]<void*, int, nint, void*, int, nint, int, nint, int> Gather;

    readonly delegate* unmanaged[Cdecl]<int, byte*, int*, int> _errorString;
    readonly delegate* unmanaged[Cdecl]<int, int*, int> _errorClass;
    readonly delegate* unmanaged[Cdecl]<byte*, int*, int> _processorName;
    readonly delegate* unmanaged[Cdecl]<byte*, int*, int> _libraryVersion;

    MpiLibrary(nint library, string path)
    {
        nint Export(string name) => NativeLibrary.TryGetExport(library, name, out var address)
            ? address
            : throw new DllNotFoundException($"{path} is not an MPI library that can be used: it has no {name}.");

        Initialized = (delegate* unmanaged[Cdecl]<int*, int>)Export("MPI_Initialized");
        Finalized = (delegate* unmanaged[Cdecl]<int*, int>)Export("MPI_Finalized");
        InitThread = (delegate* unmanaged[Cdecl]<nint, nint, int, int*, int>)Export("MPI_Init_thread");
        Finalize = (delegate* unmanaged[Cdecl]<int>)Export("MPI_Finalize");
        QueryThread = (delegate* unmanaged[Cdecl]<int*, int>)Export("MPI_Query_thread");
        Abort = (delegate* unmanaged[Cdecl]<nint, int, int>)Export("MPI_Abort");
        SetErrorHandler = (delegate* unmanaged[Cdecl]<nint, nint, int>)Export("MPI_Comm_set_errhandler");
        Rank = (delegate* unmanaged[Cdecl]<nint, int*, int>)Export("MPI_Comm_rank");
        Size = (delegate* unmanaged[Cdecl]<nint, int*, int>)Export("MPI_Comm_size");
        Split = (delegate* unmanaged[Cdecl]<nint, int, int, nint*, int>)Export("MPI_Comm_split");
        Duplicate = (delegate* unmanaged[Cdecl]<nint, nint*, int>)Export("MPI_Comm_dup");
        Free = (delegate* unmanaged[Cdecl]<nint*, int>)Export("MPI_Comm_free");
        Barrier = (delegate* unmanaged[Cdecl]<nint, int>)Export("MPI_Barrier");
        Broadcast = (delegate* unmanaged[Cdecl]<void*, int, nint, int, nint, int>)Export("MPI_Bcast");
        Allreduce = (delegate* unmanaged[Cdecl]<void*, void*, int, nint, nint, nint, int>)Export("MPI_Allreduce");
        Allgather = (delegate* unmanaged[Cdecl]<void*, int, nint, void*, int, nint, nint, int>)Export("MPI_Allgather");
        Gather = (delegate* unmanaged[Cdecl]<void*, int, nint, void*, int, nint, int, nint, int>)Export("MPI_Gather");
        _errorString = (delegate* unmanaged[Cdecl]<int, byte*, int*, int>)Export("MPI_Error_string");
        _errorClass = (delegate* unmanaged[Cdecl]<int, int*, int>)Export("MPI_Error_class");
        _processorName = (delegate* unmanaged[Cdecl]<byte*, int*, int>)Export("MPI_Get_processor_name");
        _libraryVersion = (delegate* unmanaged[Cdecl]<byte*, int*, int>)Export("MPI_Get_library_version");

        Constants = Recognise(library, path);
    }

    /// <summary>The library, loaded on first use.</summary>
    /// <exception cref="DllNotFoundException">There is none, or none of a known family.</exception>
    public static MpiLibrary Instance => _instance.Value;

    public MpiImplementation Constants { get; }

    /// <summary>The name of this machine as MPI knows it.</summary>
    public string ProcessorName
    {
        get
        {
            var text = stackalloc byte[TextCapacity];
            var length = 0;
            Check(_processorName(text, &length), "MPI_Get_processor_name");
            return Encoding.UTF8.GetString(text, length);
        }
    }

    /// <summary>Throws what a function's return code means, unless it is success.</summary>
    public void Check(int code, string function)
    {
        if (code != 0)
        {
            throw Translate(code, function + ": ")!;
        }
    }

    /// <summary>The exception for a return code, or null for success.</summary>
    public Exception? Translate(int code, string prefix)
    {
        if (code == 0)
        {
            return null;
        }

        var errorClass = 0;
        _errorClass(code, &errorClass);
        var message = prefix + ErrorText(code);
        Exception exception = errorClass == Constants.TruncateError ? new MessageTruncatedException(message)
            : Constants.ArgumentErrors.Contains(errorClass) ? new ArgumentException(message)
            : new Exception(message);
        exception.Data["MPI Error Code"] = code;
        exception.Data["MPI Error Class"] = errorClass;
        return exception;
    }

    string ErrorText(int code)
    {
        var text = stackalloc byte[TextCapacity];
        var length = 0;
        return _errorString(code, text, &length) == 0 ? Encoding.UTF8.GetString(text, length) : $"error {code}";
    }

    MpiImplementation Recognise(nint library, string path)
    {
        if (NativeLibrary.TryGetExport(library, "ompi_mpi_comm_world", out _))
        {
            return MpiImplementation.OpenMpi(library);
        }

        var text = stackalloc byte[TextCapacity];
        var length = 0;
        _libraryVersion(text, &length);
        var version = Encoding.UTF8.GetString(text, length);
        return MpichFamily().IsMatch(version)
            ? MpiImplementation.Mpich()
            : throw new DllNotFoundException(
                $"{path} is neither Open MPI nor of the MPICH family but '{version.Trim()}'; install one of those, or put its "
                + "directory first in LD_LIBRARY_PATH.");
    }

    static MpiLibrary Load()
    {
        foreach (var name in LoadedFiles().Concat(_fileNames))
        {
            if (NativeLibrary.TryLoad(name, out var library))
            {
                return new MpiLibrary(library, name);
            }
        }

        throw new DllNotFoundException(
            $"No MPI library was found: looked for {string.Join(", ", _fileNames)} where the system's loader looks "
            + "(LD_LIBRARY_PATH included). Install Open MPI (Debian and Ubuntu: apt-get install openmpi-bin libopenmpi-dev) or "
            + "MPICH, or load the module of your cluster that provides one.");
    }

    // Another native library may have brought an MPI into the process already. A second one would not know of the first.
    static IEnumerable<string> LoadedFiles()
    {
        const string maps = "/proc/self/maps";
        return File.Exists(maps)
            ? File.ReadLines(maps).Select(line => MappedMpi().Match(line)).Where(match => match.Success)
                .Select(match => match.Groups[1].Value).Distinct().ToList()
            : [];
    }

    [GeneratedRegex(@"(/\S*/lib(?:mpi|mpich)\.so[.\d]*)$")]
    private static partial Regex MappedMpi();

    [GeneratedRegex("MPICH|MVAPICH|Intel\\(R\\) MPI")]
    private static partial Regex MpichFamily();
}
