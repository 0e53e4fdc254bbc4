using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace MPI;

/// <summary>A communicator with collective operations. Each of them has to be called by every rank, in the same order.</summary>
/// <remarks>
/// Values travel as they lie in memory, so <c>T</c> is a type without references: a number, a bool, a struct of such. A string
/// goes as its bytes, preceded by their number. All ranks have to pass arrays of one length.
/// </remarks>
public unsafe class Intracommunicator : Communicator
{
    internal Intracommunicator(nint handle)
        : base(handle)
    {
    }

    /// <summary>Gives every rank the root's value.</summary>
    public void Broadcast<T>(ref T value, int root)
    {
        RequireNoReferences<T>();
        var copy = value;
        Mpi.Check(Mpi.Broadcast(Unsafe.AsPointer(ref copy), Unsafe.SizeOf<T>(), Mpi.Constants.Byte, root, Handle), "MPI_Bcast");
        value = copy;
    }

    /// <summary>Gives every rank the root's values. The others' arrays have to be there, with the root's length.</summary>
    public void Broadcast<T>(ref T[] values, int root)
    {
        RequireNoReferences<T>();
        ArgumentNullException.ThrowIfNull(values);
        fixed (byte* bytes = Bytes(values))
        {
            Mpi.Check(Mpi.Broadcast(bytes, ByteCount<T>(values.Length), Mpi.Constants.Byte, root, Handle), "MPI_Bcast");
        }
    }

    /// <summary>Combines the values of all ranks; every rank gets the result.</summary>
    public T Allreduce<T>(T value, ReductionOperation<T> op)
    {
        T[] result = [];
        Allreduce([value], op, ref result);
        return result[0];
    }

    /// <summary>Combines the values of all ranks element by element; every rank gets the result.</summary>
    public T[] Allreduce<T>(T[] values, ReductionOperation<T> op)
    {
        T[] result = [];
        Allreduce(values, op, ref result);
        return result;
    }

    /// <summary>
    /// Combines the values of all ranks element by element. <paramref name="outValues"/> is replaced where it is null or of
    /// another length, and may be <paramref name="inValues"/>.
    /// </summary>
    public void Allreduce<T>(T[] inValues, ReductionOperation<T> op, ref T[] outValues)
    {
        RequireNoReferences<T>();
        ArgumentNullException.ThrowIfNull(inValues);
        ArgumentNullException.ThrowIfNull(op);
        if (outValues is null || outValues.Length != inValues.Length)
        {
            outValues = new T[inValues.Length];
        }

        if (Predefined(op) is not { } native)
        {
            Fold(inValues, op, outValues);
            return;
        }

        fixed (byte* input = Bytes(inValues), output = Bytes(outValues))
        {
            var source = ReferenceEquals(inValues, outValues) ? (void*)Mpi.Constants.InPlace : input;
            Mpi.Check(Mpi.Allreduce(source, output, inValues.Length, native.Type, native.Operation, Handle), "MPI_Allreduce");
        }
    }

    /// <summary>Gives every rank the values of all, in the order of the ranks.</summary>
    public T[] Allgather<T>(T value)
    {
        T[] values = [];
        Allgather(value, ref values);
        return values;
    }

    /// <inheritdoc cref="Allgather{T}(T)"/>
    public void Allgather<T>(T inValue, ref T[] outValues)
    {
        if (outValues is null || outValues.Length != Size)
        {
            outValues = new T[Size];
        }

        Allgather([inValue], outValues);
    }

    /// <summary>Gives the root the values of all, in the order of the ranks; the others get null.</summary>
    public T[] Gather<T>(T value, int root)
    {
        T[] values = null!;
        Gather(value, root, ref values);
        return values;
    }

    /// <inheritdoc cref="Gather{T}(T, int)"/>
    public void Gather<T>(T inValue, int root, ref T[] outValues)
    {
        RequireNoReferences<T>();
        if (Rank != root)
        {
            outValues = null!;
        }
        else if (outValues is null || outValues.Length != Size)
        {
            outValues = new T[Size];
        }

        var size = Unsafe.SizeOf<T>();
        var type = Mpi.Constants.Byte;
        fixed (byte* output = outValues is null ? default : Bytes(outValues))
        {
            Mpi.Check(Mpi.Gather(Unsafe.AsPointer(ref inValue), size, type, output, size, type, root, Handle), "MPI_Gather");
        }
    }

    void Allgather<T>(T[] inValues, T[] outValues)
    {
        RequireNoReferences<T>();
        var size = ByteCount<T>(inValues.Length);
        var type = Mpi.Constants.Byte;
        fixed (byte* input = Bytes(inValues), output = Bytes(outValues))
        {
            Mpi.Check(Mpi.Allgather(input, size, type, output, size, type, Handle), "MPI_Allgather");
        }
    }

    void Fold<T>(T[] inValues, ReductionOperation<T> op, T[] outValues)
    {
        var all = new T[inValues.Length * Size];
        Allgather(inValues, all);
        all.AsSpan(0, outValues.Length).CopyTo(outValues);
        for (var i = outValues.Length; i < all.Length; i++)
        {
            ref var result = ref outValues[i % outValues.Length];
            result = op(result, all[i]);
        }
    }

    // MPI's own type and operation, where it has both.
    (nint Type, nint Operation)? Predefined<T>(ReductionOperation<T> op)
    {
        var constants = Mpi.Constants;
        if (!constants.ReducibleTypes.TryGetValue(typeof(T), out var type))
        {
            return null;
        }

        return op == Operation<T>.Add ? (type, constants.Sum)
            : op == Operation<T>.Max ? (type, constants.Max)
            : op == Operation<T>.Min ? (type, constants.Min)
            : null;
    }

    static Span<byte> Bytes<T>(T[] values) => MemoryMarshal.CreateSpan(
        ref Unsafe.As<T, byte>(ref MemoryMarshal.GetArrayDataReference(values)), ByteCount<T>(values.Length));

    static int ByteCount<T>(int elements)
    {
        var bytes = (long)elements * Unsafe.SizeOf<T>();
        return bytes <= int.MaxValue
            ? (int)bytes
            : throw new ArgumentException(
                $"{elements} values of {typeof(T)} are {bytes} bytes; MPI moves at most {int.MaxValue} at a time. Pass them in parts.");
    }

    static void RequireNoReferences<T>()
    {
        if (RuntimeHelpers.IsReferenceOrContainsReferences<T>())
        {
            throw new NotSupportedException(
                $"{typeof(T)} holds references, which mean nothing to another process; pass its content as an array of bytes or numbers.");
        }
    }
}
