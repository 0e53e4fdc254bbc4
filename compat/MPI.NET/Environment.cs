using MPI.Native;

namespace MPI;

/// <summary>MPI in this process, from its initialisation to its end.</summary>
public unsafe class Environment : IDisposable
{
    /// <summary>Initialises MPI for calls from any thread, one at a time. See the other constructor.</summary>
    public Environment(ref string[] args)
        : this(ref args, MPI.Threading.Serialized)
    {
    }

    /// <summary>
    /// Initialises MPI, unless it is initialised already, and opens <see cref="Communicator.world"/> and
    /// <see cref="Communicator.self"/>.
    /// </summary>
    /// <param name="args">Left as it is: no MPI of today reads or changes the arguments of a program.</param>
    /// <param name="threading">What is wanted; <see cref="Threading"/> has what MPI gave, which may be less.</param>
    /// <exception cref="ObjectDisposedException">MPI has ended in this process and cannot start again.</exception>
    /// <exception cref="DllNotFoundException">No MPI library was found.</exception>
    public Environment(ref string[] args, Threading threading)
    {
        var mpi = MpiLibrary.Instance;
        ObjectDisposedException.ThrowIf(Finalized, typeof(Environment));
        if (!Initialized)
        {
            var provided = 0;
            mpi.Check(mpi.InitThread(0, 0, (int)threading, &provided), "MPI_Init_thread");
        }

        Communicator.world = new Intracommunicator(mpi.Constants.World);
        Communicator.self = new Intracommunicator(mpi.Constants.Self);
    }

    /// <summary>Whether MPI was initialised, be it by this class or by a native library; stays true after its end.</summary>
    public static bool Initialized
    {
        get
        {
            var mpi = MpiLibrary.Instance;
            var flag = 0;
            mpi.Check(mpi.Initialized(&flag), "MPI_Initialized");
            return flag != 0;
        }
    }

    /// <summary>Whether MPI has ended.</summary>
    public static bool Finalized
    {
        get
        {
            var mpi = MpiLibrary.Instance;
            var flag = 0;
            mpi.Check(mpi.Finalized(&flag), "MPI_Finalized");
            return flag != 0;
        }
    }

    /// <summary>The level of threads that MPI gave.</summary>
    public static Threading Threading
    {
        get
        {
            var mpi = MpiLibrary.Instance;
            var level = 0;
            mpi.Check(mpi.QueryThread(&level), "MPI_Query_thread");
            return (Threading)level;
        }
    }

    /// <summary>The name of this machine.</summary>
    public static string ProcessorName => MpiLibrary.Instance.ProcessorName;

    /// <summary>Runs an action with <see cref="Communicator.world"/> between initialisation and end of MPI.</summary>
    public static void Run(Action<Intracommunicator> action, bool cleanupEnvironment = true)
    {
        string[] none = [];
        Run(ref none, action, cleanupEnvironment);
    }

    /// <inheritdoc cref="Run(Action{Intracommunicator}, bool)"/>
    public static void Run(ref string[] args, Action<Intracommunicator> action, bool cleanupEnvironment = true)
        => Run(ref args, MPI.Threading.Serialized, action, cleanupEnvironment);

    /// <inheritdoc cref="Run(Action{Intracommunicator}, bool)"/>
    /// <remarks>
    /// With <paramref name="cleanupEnvironment"/> an exception of the action is printed and ends every rank, as none of the
    /// others would learn of it; without, it goes to the caller.
    /// </remarks>
    public static void Run(ref string[] args, Threading threading, Action<Intracommunicator> action, bool cleanupEnvironment = true)
    {
        using var environment = new Environment(ref args, threading);
        try
        {
            action(Communicator.world);
        }
        catch (Exception exception) when (cleanupEnvironment)
        {
            Console.Error.WriteLine(exception);
            Abort(1);
        }
    }

    /// <summary>Ends every rank of the job now.</summary>
    public static void Abort(int errorCode)
    {
        var mpi = MpiLibrary.Instance;
        mpi.Check(mpi.Abort(mpi.Constants.World, errorCode), "MPI_Abort");
    }

    /// <summary>
    /// The exception for a return code of MPI, or null for success: <see cref="ArgumentException"/> for a class of errors that
    /// blames an argument, <see cref="MessageTruncatedException"/>, otherwise <see cref="Exception"/>.
    /// </summary>
    public static Exception? TranslateErrorIntoException(int errorCode) => MpiLibrary.Instance.Translate(errorCode, "");

    /// <summary>Ends MPI, whoever initialised it. Every rank has to come here, and waits for the others.</summary>
    public void Dispose()
    {
        if (!Finalized)
        {
            var mpi = MpiLibrary.Instance;
            mpi.Check(mpi.Finalize(), "MPI_Finalize");
        }

        GC.SuppressFinalize(this);
    }
}
