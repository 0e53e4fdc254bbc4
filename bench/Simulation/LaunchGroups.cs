using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Mesh;

namespace KvShiftScale.Simulation;

/// <summary>
/// The groups that the ranks of a launch form, as <see cref="ParallelContext"/>, regions and the reducer of gradients form theirs: each kind divides all
/// ranks by a color, ordered by rank.
/// </summary>
internal sealed class LaunchGroups
{
    private readonly List<Division> _divisions = [];
    private readonly Dictionary<(string Name, int Key), int> _numbers = [];

    /// <summary>Those that every launch forms.</summary>
    public LaunchGroups(MeshLayout layout)
    {
        Layout = layout;
        World = Form("world", layout.Axes, _ => 0);
        Pipeline = Along(MeshAxis.Pipeline.Name, [MeshAxis.Pipeline]);
        Context = Along(MeshAxis.Context.Name, [MeshAxis.Context]);
        Tensor = Along(MeshAxis.Tensor.Name, [MeshAxis.Tensor]);
        Replicas = Along("replicas", [.. layout.ReplicaAxes]);
    }

    /// <summary>How the ranks are divided.</summary>
    public MeshLayout Layout { get; }

    /// <summary>All ranks.</summary>
    public int World { get; }

    /// <summary>The stages of a pipeline.</summary>
    public int Pipeline { get; }

    /// <summary>Ranks that share sequences.</summary>
    public int Context { get; }

    /// <summary>Ranks that divide matrices.</summary>
    public int Tensor { get; }

    /// <summary>Ranks that hold the same part of the parameters.</summary>
    public int Replicas { get; }

    /// <summary>Neighbours of the tensor group that hold the same kv head.</summary>
    public int HeadReplicas(int ranksPerHead) => Form("head replicas", [MeshAxis.Tensor], rank =>
    {
        var (group, index) = Layout.PlaceAlong([MeshAxis.Tensor], rank);
        return group * Layout.DegreeOf(MeshAxis.Tensor) + index / ranksPerHead;
    }, key: ranksPerHead);

    /// <summary>The first and the last stage of each pipeline; the stages between form groups that nobody uses.</summary>
    public int PipelineEnds() => Form("pipeline ends", [MeshAxis.Pipeline], rank =>
    {
        var (group, stage) = Layout.PlaceAlong([MeshAxis.Pipeline], rank);
        return 2 * group + (stage == 0 || stage == Layout.DegreeOf(MeshAxis.Pipeline) - 1 ? 0 : 1);
    });

    /// <summary>The same ranks as those of another kind, whose collectives may go on at the same time.</summary>
    public int Beside(int group)
    {
        var division = _divisions[group];
        return Form($"{division.Name} beside", division.Axes, rank => division.Place[rank].Group, key: group);
    }

    /// <summary>Groups of one kind differ along these axes.</summary>
    public IReadOnlyList<MeshAxis> AxesOf(int group) => _divisions[group].Axes;

    /// <summary>Ranks of the group that a rank is in.</summary>
    public int SizeOf(int group, int rank) => IdentityOf(group, rank).Members.Count;

    /// <summary>Kinds of groups.</summary>
    public int Count => _divisions.Count;

    /// <summary>How many groups there are of a kind.</summary>
    public int CountOf(int group) => _divisions[group].Identities.Count;

    /// <summary>Which group of a kind a rank is in, and where in it.</summary>
    public (int Group, int Index) PlaceOf(int group, int rank) => _divisions[group].Place[rank];

    /// <summary>Name and members of the group that a rank is in.</summary>
    public GroupIdentity IdentityOf(int group, int rank) => _divisions[group].Identities[_divisions[group].Place[rank].Group];

    /// <summary>The group of an operation, as a rank's ledger has it: of a message, the two ranks.</summary>
    public GroupIdentity CalledIn(in Operation operation, int rank)
    {
        var group = IdentityOf(operation.Group, rank);
        return operation.Kind switch
        {
            OperationKind.Send => group.Between(rank, group.Members[operation.Call.Variant]),
            OperationKind.Receive => group.Between(group.Members[operation.Call.Variant], rank),
            _ => group,
        };
    }

    private int Along(string name, IReadOnlyList<MeshAxis> axes) => Form(name, axes, rank => Layout.PlaceAlong([.. axes], rank).Group);

    private int Form(string name, IReadOnlyList<MeshAxis> axes, Func<int, int> color, int key = 0)
    {
        if (_numbers.TryGetValue((name, key), out var number))
        {
            return number;
        }

        var ranks = Enumerable.Range(0, Layout.WorldSize).GroupBy(color).Select(same => same.ToArray()).ToArray();
        var place = new (int, int)[Layout.WorldSize];
        foreach (var (group, members) in ranks.Index())
        {
            foreach (var (index, rank) in members.Index())
            {
                place[rank] = (group, index);
            }
        }

        _numbers.Add((name, key), _divisions.Count);
        _divisions.Add(new Division(name, axes, [.. ranks.Select(members => new GroupIdentity(name, members))], place));
        return _divisions.Count - 1;
    }

    private sealed record Division(string Name, IReadOnlyList<MeshAxis> Axes, IReadOnlyList<GroupIdentity> Identities, (int Group, int Index)[] Place);
}
