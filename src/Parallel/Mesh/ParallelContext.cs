using System.Runtime.CompilerServices;
using System.Text;
using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Native;

namespace KvShiftScale.Parallel.Mesh;

/// <summary>
/// This process's place in the launch: the mesh, the groups it belongs to and, under MPI, the life of MPI itself. There is one, made
/// first and disposed last.
/// </summary>
public sealed class ParallelContext : IDisposable
{
    // Of each axis, in their order, and of several axes.
    private readonly List<ProcessGroup> _groups = [];
    private readonly MpiNet? _mpi;
    private readonly bool _ownsWorld;

    // Forms the groups. Collective over the world.
    private ParallelContext(MeshLayout layout, ProcessGroup world, CollectiveLedger? ledger, MpiNet? mpi, bool ownsWorld)
    {
        Layout = layout;
        World = world;
        Ledger = ledger;
        _mpi = mpi;
        _ownsWorld = ownsWorld;
        // The order of these is the same on every rank: each forms its groups by one collective over the world.
        foreach (var axis in layout.Axes)
        {
            _groups.Add(Formed(axis.Name, [axis]));
        }

        Replicas = Formed("replicas", layout.ReplicaAxes);
        _groups.Add(Replicas);
        Copy = Formed("copy", layout.CopyAxes);
        _groups.Add(Copy);
        AllowsOverlap = world.Size > 1 && MpiAllowsThreads;
    }

    /// <summary>How the ranks are divided.</summary>
    public MeshLayout Layout { get; }

    /// <summary>What all groups of this process have exchanged; null for one process without MPI, which exchanges nothing.</summary>
    public CollectiveLedger? Ledger { get; }

    /// <summary>Every rank of the launch.</summary>
    public ProcessGroup World { get; }

    /// <summary>The ranks that differ in their share of the samples alone. Its rank is the data index.</summary>
    public ProcessGroup Data => Group(MeshAxis.Data);

    /// <summary>The ranks that share this one's sequences. Its rank is the context index.</summary>
    public ProcessGroup Context => Group(MeshAxis.Context);

    /// <summary>The stages of a pipeline, from the first layers to the last, of which this rank is one. Its rank is the stage.</summary>
    public ProcessGroup Pipeline => Group(MeshAxis.Pipeline);

    /// <summary>The ranks that divide the same matrices among themselves. Its rank is the tensor index.</summary>
    public ProcessGroup Tensor => Group(MeshAxis.Tensor);

    /// <summary>The ranks that hold the same part of the parameters, over which gradients are summed: those that differ along the other axes alone, data and context.</summary>
    public ProcessGroup Replicas { get; }

    /// <summary>The ranks that hold one copy of all parameters together: those that differ along the axes that divide them alone, pipeline and tensor.</summary>
    public ProcessGroup Copy { get; }

    /// <summary>
    /// Whether a second thread may call MPI while the first computes or calls it too, so that communication can overlap. Without MPI there is
    /// nothing to overlap.
    /// </summary>
    public bool AllowsOverlap { get; }

    /// <summary>Whether several threads may be inside MPI at a time. MPI has to be under way.</summary>
    internal static bool MpiAllowsThreads => MpiNet.AllowsThreads;

    /// <summary>This rank's place along each axis of <see cref="Layout"/>.</summary>
    public IReadOnlyList<int> Coordinates => Layout.CoordinatesOf(World.Rank);

    /// <summary>One process without MPI.</summary>
    public static ParallelContext Single() => Alone(new ParallelConfig());

    /// <summary>The ranks that differ from this one along an axis alone. Its rank is the coordinate.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The mesh has no such axis.</exception>
    public ProcessGroup Group(MeshAxis axis)
    {
        for (var i = 0; i < Layout.Axes.Count; i++)
        {
            if (Layout.Axes[i] == axis)
            {
                return _groups[i];
            }
        }

        throw new ArgumentOutOfRangeException(nameof(axis), axis.Name, $"The mesh is {Layout}.");
    }

    /// <summary>The context of this process, as one rank of an MPI launch or alone. Collective over the launch.</summary>
    /// <param name="config">The degrees of the mesh.</param>
    /// <param name="launchedByMpi">mpirun or srun started the process; false leaves MPI alone.</param>
    /// <param name="checkCollectives">
    /// Before each collective its ranks compare what they are about to do, and a <see cref="CollectiveMismatchException"/> on all of them
    /// ends a disagreement. The same on all ranks.
    /// </param>
    /// <exception cref="MeshLayoutException">The ranks cannot be divided as configured. Every rank finds that, and MPI is ended.</exception>
    /// <exception cref="CollectiveException">MPI failed.</exception>
    /// <exception cref="InvalidOperationException">The process is one of several ranks, and <see cref="MpiLibrary.Load"/> was not called.</exception>
    public static ParallelContext Create(ParallelConfig config, bool launchedByMpi, bool checkCollectives = false)
    {
        if (!launchedByMpi)
        {
            return Alone(config);
        }

        var mpi = MpiNet.Start();
        MeshLayout layout;
        try
        {
            layout = MeshLayout.Create(MpiNet.WorldSize, config);
        }
        catch (MeshLayoutException)
        {
            mpi.Dispose();
            throw;
        }

        var (world, ledger) = ProcessGroup.Launched("world", checkCollectives);
        return new ParallelContext(layout, world, ledger, mpi, ownsWorld: true);
    }

    /// <summary>The same ranks in another layout, valid as long as this context is. Collective.</summary>
    /// <exception cref="MeshLayoutException">The ranks cannot be divided as configured.</exception>
    public ParallelContext Divide(ParallelConfig config) => Divide(config, Layout.Axes);

    /// <summary>The same ranks along other axes.</summary>
    /// <exception cref="MeshLayoutException">The ranks cannot be divided as configured.</exception>
    internal ParallelContext Divide(ParallelConfig config, IReadOnlyList<MeshAxis> axes)
        => new(MeshLayout.Create(World.Size, config, axes), World, Ledger, mpi: null, ownsWorld: false);

    /// <summary>Gives every rank the root's text. What the others pass is not looked at. Collective.</summary>
    public string BroadcastText(string text, int root = 0, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
    {
        if (_mpi is null || World.Size == 1)
        {
            return text;
        }

        var bytes = World.Rank == root ? Encoding.UTF8.GetBytes(text) : [];
        var byteCount = bytes.Length;
        var call = World.Ledger.Begin(new CollectiveCall(CollectiveOperation.Broadcast, CollectiveDataType.Int32, 1, root, file, line), sizeof(int));
        MpiNet.Broadcast(ref byteCount, root);
        World.Ledger.End(call);
        if (World.Rank != root)
        {
            bytes = new byte[byteCount];
        }

        // Counted in the elements that MPI.NET has for bytes; four of them fit in one.
        var elementCount = (byteCount + 3) / sizeof(int);
        call = World.Ledger.Begin(new CollectiveCall(CollectiveOperation.Broadcast, CollectiveDataType.Int32, elementCount, root, file, line),
            (long)elementCount * sizeof(int));
        MpiNet.Broadcast(bytes, root);
        World.Ledger.End(call);
        return Encoding.UTF8.GetString(bytes);
    }

    /// <summary>
    /// Ends every rank of the launch at once, for a failure on this one that the others cannot know of: they may wait for it for ever
    /// where <see cref="Dispose"/> would join them. Does not return.
    /// </summary>
    public void Abort(int exitCode)
    {
        if (_mpi is not null)
        {
            MpiNet.Abort(exitCode);
        }

        Environment.Exit(exitCode);
    }

    /// <summary>Frees the groups and ends MPI. Collective: returns when every rank has come here.</summary>
    public void Dispose()
    {
        foreach (var group in _groups.AsEnumerable().Reverse())
        {
            group.Dispose();
        }

        if (_ownsWorld)
        {
            World.Dispose();
        }

        _mpi?.Dispose();
    }

    private static ParallelContext Alone(ParallelConfig config) => new(MeshLayout.Create(1, config), ProcessGroup.Solo("world"), null, null, ownsWorld: true);

    private ProcessGroup Formed(string name, IReadOnlyCollection<MeshAxis> axes)
    {
        var (group, index) = Layout.PlaceAlong(axes, World.Rank);
        return World.Split(name, group, index);
    }
}
