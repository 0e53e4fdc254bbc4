using MPI.Native;

namespace MPI;

/// <summary>A group of ranks that communicate among themselves.</summary>
/// <remarks>
/// A communicator is freed by <see cref="Dispose"/> alone: freeing is collective, so the finalizer, which runs whenever and on
/// its own thread, has to leave it.
/// </remarks>
public abstract unsafe class Communicator : IDisposable, ICloneable
{
    /// <summary>All ranks; set by <see cref="Environment"/>.</summary>
    public static Intracommunicator world = null!;

    /// <summary>This rank alone; set by <see cref="Environment"/>.</summary>
    public static Intracommunicator self = null!;

    nint _handle;
    bool _disposed;

    internal Communicator(nint handle)
    {
        Mpi = MpiLibrary.Instance;
        _handle = handle;
        Mpi.Check(Mpi.SetErrorHandler(handle, Mpi.Constants.ErrorsReturn), "MPI_Comm_set_errhandler");
    }

    internal MpiLibrary Mpi { get; }

    internal nint Handle
    {
        get
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return _handle;
        }
    }

    /// <summary>Number of ranks.</summary>
    public int Size
    {
        get
        {
            var size = 0;
            Mpi.Check(Mpi.Size(Handle, &size), "MPI_Comm_size");
            return size;
        }
    }

    /// <summary>Place of this process among the ranks, from 0.</summary>
    public int Rank
    {
        get
        {
            var rank = 0;
            Mpi.Check(Mpi.Rank(Handle, &rank), "MPI_Comm_rank");
            return rank;
        }
    }

    /// <summary>The ranks that give the same color, ordered by key. Collective.</summary>
    /// <exception cref="ArgumentException">A negative color.</exception>
    public Communicator Split(int color, int key)
    {
        if (color < 0)
        {
            throw new ArgumentException($"The color of a split is {color}; it has to be 0 or more.", nameof(color));
        }

        nint handle = 0;
        Mpi.Check(Mpi.Split(Handle, color, key, &handle), "MPI_Comm_split");
        return new Intracommunicator(handle);
    }

    /// <summary>A communicator of the same ranks whose messages are apart from this one's. Collective.</summary>
    public object Clone()
    {
        nint handle = 0;
        Mpi.Check(Mpi.Duplicate(Handle, &handle), "MPI_Comm_dup");
        return new Intracommunicator(handle);
    }

    /// <summary>Ends the ranks of this communicator now; most MPIs end the whole job.</summary>
    public void Abort(int errorcode) => Mpi.Check(Mpi.Abort(Handle, errorcode), "MPI_Abort");

    /// <summary>Returns when every rank has come here.</summary>
    public void Barrier() => Mpi.Check(Mpi.Barrier(Handle), "MPI_Barrier");

    /// <summary>Frees the communicator, except <see cref="world"/> and <see cref="self"/>. Collective.</summary>
    public virtual void Dispose()
    {
        GC.SuppressFinalize(this);
        if (_disposed || _handle == Mpi.Constants.World || _handle == Mpi.Constants.Self)
        {
            return;
        }

        _disposed = true;
        if (!Environment.Finalized)
        {
            fixed (nint* handle = &_handle)
            {
                Mpi.Check(Mpi.Free(handle), "MPI_Comm_free");
            }
        }
    }
}
