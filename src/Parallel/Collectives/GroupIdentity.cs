namespace KvShiftScale.Parallel.Collectives;

/// <summary>Which group it is, the same on all its ranks: several groups of a launch have one name.</summary>
public sealed class GroupIdentity
{
    private readonly string _text;

    internal GroupIdentity(string name, IReadOnlyList<int> members)
        : this(name, members, " ")
    {
    }

    private GroupIdentity(string name, IReadOnlyList<int> members, string separator)
    {
        Name = name;
        Members = members;
        _text = $"{name} [{string.Join(separator, members)}]";
    }

    /// <summary>What the group is for.</summary>
    public string Name { get; }

    /// <summary>Ranks of the launch in the order of the group.</summary>
    public IReadOnlyList<int> Members { get; }

    /// <summary>Messages from one of its ranks to another, the same on both: <c>data [0 to 2]</c>.</summary>
    /// <param name="sender">Rank of the launch.</param>
    /// <param name="receiver">Rank of the launch.</param>
    internal GroupIdentity Between(int sender, int receiver) => new(Name, [sender, receiver], " to ");

    /// <summary>Name and members: <c>data [0 2]</c>.</summary>
    public override string ToString() => _text;
}
