using static TorchSharp.torch;

namespace KvShiftScale.Parallel.Regions;

/// <summary>
/// The result of an operation on its way to those that use it, and how they get it back in backward: they keep it, or they keep what it
/// was made from and make it again. One with several users is made once in a backward pass and dropped after the last of them.
/// </summary>
public sealed class Activation
{
    private readonly IReadOnlyList<Tensor> _origin;
    private readonly Func<IReadOnlyList<Tensor>, Tensor>? _make;
    private int _users;
    private int _waitingUsers;
    private Tensor? _made;

    private Activation(Tensor value, IReadOnlyList<Tensor> origin, Func<IReadOnlyList<Tensor>, Tensor>? make)
    {
        Value = value;
        _origin = origin;
        _make = make;
    }

    /// <summary>The result, in forward.</summary>
    public Tensor Value { get; }

    /// <summary>One that its users keep.</summary>
    public static implicit operator Activation(Tensor kept) => new(kept, [kept], make: null);

    /// <summary>One that is made again in backward.</summary>
    /// <param name="value">The result.</param>
    /// <param name="origin">What its users keep instead: tensors that the operation keeps for its own backward anyway.</param>
    /// <param name="make">Makes the bits of <paramref name="value"/> from <paramref name="origin"/>; it runs without gradients.</param>
    public static Activation Remade(Tensor value, IReadOnlyList<Tensor> origin, Func<IReadOnlyList<Tensor>, Tensor> make)
        => new(value, origin, make);

    /// <summary>
    /// What an operation that keeps nothing makes of it. Users keep the result where they kept this; otherwise they keep what this is made
    /// from, and the operation is done again too.
    /// </summary>
    public Activation Then(Func<Tensor, Tensor> operation)
    {
        var value = operation(Value);
        return _make is { } make ? new Activation(value, _origin, origin => operation(make(origin))) : value;
    }

    /// <summary>What a user saves in its forward; <see cref="Take"/> and <see cref="Release"/> follow in its backward.</summary>
    public IReadOnlyList<Tensor> Keep()
    {
        _users++;
        return _origin;
    }

    /// <summary>The result again.</summary>
    /// <param name="saved">What <see cref="Keep"/> returned comes next, and is taken out.</param>
    public Tensor Take(Queue<Tensor> saved)
    {
        Tensor[] origin = [.. _origin.Select(_ => saved.Dequeue())];
        if (_make is null)
        {
            return origin[0];
        }

        if (_waitingUsers == 0)
        {
            _waitingUsers = _users;
        }

        return _made ??= Make(origin);
    }

    /// <summary>The user that took it is done.</summary>
    public void Release()
    {
        if (_make is null || --_waitingUsers > 0)
        {
            return;
        }

        _made?.Dispose();
        _made = null;
    }

    // The next user's backward has a dispose scope of its own.
    private Tensor Make(Tensor[] origin)
    {
        using var scope = NewDisposeScope();
        using var mode = no_grad();
        return _make!(origin).DetachFromDisposeScope();
    }
}
