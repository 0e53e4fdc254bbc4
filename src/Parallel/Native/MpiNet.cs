using System.Text.RegularExpressions;
using MPI;

namespace KvShiftScale.Parallel.Native;

/// <summary>
/// MPI.NET, for the life of MPI, the world, and broadcasts in it. It is written for Microsoft MPI; its calls go through what <see cref="MpiLibrary"/>
/// has loaded, which has only the functions that these members need.
/// </summary>
internal sealed partial class MpiNet : IDisposable
{
    /// <summary>The functions of msmpi.dll that MPI.NET calls here (native/src/msmpi/exports.cpp).</summary>
    public static readonly IReadOnlyList<string> Functions =
    [
        "MPI_Init_thread", "MPI_Initialized", "MPI_Finalized", "MPI_Finalize", "MPI_Abort", "MPI_Errhandler_set", "MPI_Error_class", "MPI_Error_string",
        "MPI_Comm_test_inter", "MPI_Topo_test", "MPI_Comm_size", "MPI_Comm_rank", "MPI_Bcast", "MPI_Type_extent", "MPI_Type_contiguous", "MPI_Type_commit",
    ];

    private readonly MPI.Environment _environment;

    private MpiNet(MPI.Environment environment) => _environment = environment;

    /// <summary>Whether several threads may be inside MPI at a time. MPI has to be under way.</summary>
    public static bool AllowsThreads => MPI.Environment.Threading == Threading.Multiple;

    /// <summary>Ranks of the launch.</summary>
    public static int WorldSize => Call(() => Communicator.world.Size);

    /// <summary>Starts MPI, or joins one that is under way. Collective.</summary>
    /// <exception cref="InvalidOperationException"><see cref="MpiLibrary.Load"/> was not called.</exception>
    public static MpiNet Start()
    {
        _ = MpiLibrary.MsMpiPath;
        string[] arguments = [];
        return new MpiNet(Call(() => new MPI.Environment(ref arguments, Threading.Multiple)));
    }

    /// <summary>Gives every rank the root's number. Collective.</summary>
    public static void Broadcast(ref int number, int root)
    {
        var own = number;
        number = Call(() =>
        {
            // MPI.NET does not pin what it is given a reference to. A variable of its own lies on the stack, where no collector moves it while the
            // rank waits; one that a lambda captures lies on the heap.
            var sent = own;
            Communicator.world.Broadcast(ref sent, root);
            return sent;
        });
    }

    /// <summary>Gives every rank the root's bytes, of which each has room for all. Collective.</summary>
    public static void Broadcast(byte[] bytes, int root) => Call(() => Communicator.world.Broadcast(ref bytes, root));

    /// <summary>Ends every rank of the launch at once. Does not return.</summary>
    public static void Abort(int exitCode) => Call(() => MPI.Environment.Abort(exitCode));

    /// <summary>Ends MPI. Collective.</summary>
    public void Dispose() => Call(_environment.Dispose);

    /// <summary>Runs a call of MPI.NET.</summary>
    /// <exception cref="MpiLibraryException">It needs a function that the library lacks, maybe in the initialiser of one of its types.</exception>
    internal static T Call<T>(Func<T> call)
    {
        try
        {
            return call();
        }
        catch (Exception exception) when (MissingFunction(exception) is { } function)
        {
            throw new MpiLibraryException($"found no {function} in {MpiLibrary.MsMpiPath}, which MPI.NET calls; wanted one: what stands for msmpi.dll has only the "
                + "functions that the product uses. Add it to native/src/msmpi, or use a group of ranks (ProcessGroup) instead", exception);
        }
    }

    private static void Call(Action call) => Call<object?>(() =>
    {
        call();
        return null;
    });

    private static string? MissingFunction(Exception exception) => exception switch
    {
        TypeInitializationException { InnerException: { } inner } => MissingFunction(inner),
        // The runtime tells the name in the text alone.
        EntryPointNotFoundException => FunctionName().Match(exception.Message) is { Success: true } match ? match.Value : null,
        _ => null,
    };

    [GeneratedRegex(@"MPI_\w+")]
    private static partial Regex FunctionName();
}
