using System.Runtime.InteropServices;

namespace MPI.Native;

/// <summary>
/// The constants of one family of MPI libraries. Handles are addresses of exported objects in Open MPI and 32-bit integers in
/// the MPICH family (MPICH, Intel MPI, MVAPICH); both fit an <see cref="nint"/>.
/// </summary>
internal sealed record MpiImplementation
{
    public required nint World { get; init; }
    public required nint Self { get; init; }
    public required nint ErrorsReturn { get; init; }
    public required nint InPlace { get; init; }
    public required nint Byte { get; init; }
    public required nint Sum { get; init; }
    public required nint Max { get; init; }
    public required nint Min { get; init; }

    /// <summary>The types that <see cref="Sum"/>, <see cref="Max"/> and <see cref="Min"/> take.</summary>
    public required IReadOnlyDictionary<Type, nint> ReducibleTypes { get; init; }

    /// <summary>Error classes that blame an argument.</summary>
    public required IReadOnlySet<int> ArgumentErrors { get; init; }

    public required int TruncateError { get; init; }

    public static MpiImplementation OpenMpi(nint library)
    {
        nint Export(string name) => NativeLibrary.GetExport(library, name);
        return new MpiImplementation
        {
            World = Export("ompi_mpi_comm_world"),
            Self = Export("ompi_mpi_comm_self"),
            ErrorsReturn = Export("ompi_mpi_errors_return"),
            InPlace = 1,
            Byte = Export("ompi_mpi_byte"),
            Sum = Export("ompi_mpi_op_sum"),
            Max = Export("ompi_mpi_op_max"),
            Min = Export("ompi_mpi_op_min"),
            ReducibleTypes = new Dictionary<Type, nint>
            {
                [typeof(short)] = Export("ompi_mpi_int16_t"),
                [typeof(ushort)] = Export("ompi_mpi_uint16_t"),
                [typeof(int)] = Export("ompi_mpi_int32_t"),
                [typeof(uint)] = Export("ompi_mpi_uint32_t"),
                [typeof(long)] = Export("ompi_mpi_int64_t"),
                [typeof(ulong)] = Export("ompi_mpi_uint64_t"),
                [typeof(float)] = Export("ompi_mpi_float"),
                [typeof(double)] = Export("ompi_mpi_double"),
            },
            ArgumentErrors = new HashSet<int> { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13 },
            TruncateError = 15,
        };
    }

    public static MpiImplementation Mpich() => new()
    {
        World = 0x44000000,
        Self = 0x44000001,
        ErrorsReturn = 0x54000001,
        InPlace = -1,
        Byte = 0x4c00010d,
        Sum = 0x58000003,
        Max = 0x58000001,
        Min = 0x58000002,
        ReducibleTypes = new Dictionary<Type, nint>
        {
            [typeof(short)] = 0x4c000238,
            [typeof(ushort)] = 0x4c00023c,
            [typeof(int)] = 0x4c000439,
            [typeof(uint)] = 0x4c00043d,
            [typeof(long)] = 0x4c00083a,
            [typeof(ulong)] = 0x4c00083e,
            [typeof(float)] = 0x4c00040a,
            [typeof(double)] = 0x4c00080b,
        },
        ArgumentErrors = new HashSet<int> { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 19 },
        TruncateError = 14,
    };
}
