namespace KvShiftScale.Parallel.Mesh;

/// <summary>
/// One axis of the mesh of ranks. Coordinates, groups, texts and what is refused follow from the list: a new axis is an entry in <see cref="All"/> and
/// the code that uses it.
/// </summary>
/// <param name="Name">Name of its groups and, after <c>parallel.</c>, of its key in the configuration.</param>
/// <param name="Degree">Ranks along it, as configured; null for the one axis that has what the others leave.</param>
/// <param name="DividesParameters">Whether its ranks hold different parameters.</param>
/// <param name="IsAlwaysNamed">Whether texts name it where it has one rank, too.</param>
public sealed record MeshAxis(string Name, Func<ParallelConfig, int>? Degree, bool DividesParameters = false, bool IsAlwaysNamed = false)
{
    /// <summary>Ranks that hold consecutive layers, each a stage of a pipeline.</summary>
    public static readonly MeshAxis Pipeline = new("pipeline", config => config.Pipeline, DividesParameters: true);

    /// <summary>Ranks that differ in their share of the samples.</summary>
    public static readonly MeshAxis Data = new("data", Degree: null, IsAlwaysNamed: true);

    /// <summary>Ranks that share one sequence.</summary>
    public static readonly MeshAxis Context = new("context", config => config.Context);

    /// <summary>Ranks that divide each matrix among themselves.</summary>
    public static readonly MeshAxis Tensor = new("tensor", config => config.Tensor, DividesParameters: true, IsAlwaysNamed: true);

    /// <summary>
    /// The axes in the order of ranks, outermost first: ranks of the last are neighbours, which share a machine and its fast links where the launcher
    /// numbers ranks machine by machine. Stages of a pipeline exchange least, so they are farthest apart.
    /// </summary>
    public static readonly IReadOnlyList<MeshAxis> All = [Pipeline, Data, Context, Tensor];
}
