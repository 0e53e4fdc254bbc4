namespace KvShiftScale.Parallel.Native;

/// <summary>What the environment of a rank says about the MPI of its launcher.</summary>
/// <param name="Flavor">The MPI.</param>
/// <param name="Sign">The variable that says so, with its value.</param>
/// <param name="IsCertain">It is that MPI's own launcher. False for PMI and PMIx alone, as srun has them, which other MPIs may speak too.</param>
public sealed record MpiLaunch(MpiFlavor Flavor, string Sign, bool IsCertain)
{
    // In the order in which they win: a launcher may have been started by a step of another one, whose variables are still there. The second is of
    // MPICH's Hydra itself and leaves its PMI_RANK certain.
    private static readonly (string Variable, MpiFlavor Flavor, string? Certain)[] Signs =
    [
        ("OMPI_COMM_WORLD_RANK", MpiFlavor.OpenMpi, "OMPI_COMM_WORLD_RANK"),
        ("PMI_RANK", MpiFlavor.Mpich, "HYDI_CONTROL_FD"),
        ("PMIX_RANK", MpiFlavor.OpenMpi, null),
    ];

    /// <summary>The launch that an environment tells of; null where no launcher has started the process.</summary>
    /// <param name="variable">Value of an environment variable, or null.</param>
    public static MpiLaunch? Of(Func<string, string?> variable)
    {
        foreach (var (name, flavor, certain) in Signs)
        {
            if (variable(name) is { Length: > 0 } value)
            {
                return new MpiLaunch(flavor, $"{name}={value}", certain is not null && variable(certain) is not null);
            }
        }

        return null;
    }
}
