using KvShiftScale.Core;

namespace KvShiftScale.Parallel.Mesh;

/// <summary>The ranks of a launch cannot be laid out as configured. The message has the key, the values and what would do.</summary>
public sealed class MeshLayoutException : UsageException
{
    internal MeshLayoutException(string message)
        : base(message)
    {
    }
}
