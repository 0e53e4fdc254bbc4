namespace KvShiftScale.Parallel.Collectives;

/// <summary>Which group it is, the same on all its ranks: several groups of a launch have one name.</summary>
public sealed class GroupIdentity
{
    private readonly string _text;

    internal GroupIdentity(string name, IReadOnlyList<int> members)
    {
        Name = name;
        Members = members;
        _text = $"{name} [{string.Join(' ', members)}]";
    }

    /// <summary>What the group is for.</summary>
    public string Name { get; }

    /// <summary>Ranks of the launch in the order of the group.</summary>
    public IReadOnlyList<int> Members { get; }

    /// <summary>Name and members: <c>data [0 2]</c>.</summary>
    public override string ToString() => _text;
}
