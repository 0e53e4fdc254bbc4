namespace MPI;

/// <summary>How many threads of a process may call MPI, in MPI's own order: each level includes those before it.</summary>
public enum Threading
{
    /// <summary>The process has one thread.</summary>
    Single,

    /// <summary>Only the thread that initialised MPI calls it.</summary>
    Funneled,

    /// <summary>Any thread calls MPI, one at a time.</summary>
    Serialized,

    /// <summary>Any thread calls MPI at any time.</summary>
    Multiple,
}
