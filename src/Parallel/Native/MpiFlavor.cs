namespace KvShiftScale.Parallel.Native;

/// <summary>An MPI that ranks run on. What it says in its headers and at run time tells which one it is.</summary>
public enum MpiFlavor
{
    /// <summary>Open MPI.</summary>
    OpenMpi,

    /// <summary>MPICH, and those that are made of it: Intel MPI, MVAPICH, Cray MPICH.</summary>
    Mpich,
}

/// <summary>Names of an MPI.</summary>
public static class MpiFlavorNames
{
    extension(MpiFlavor flavor)
    {
        /// <summary>Its value of KVSHIFT_MPI, and the folder of what is built against it.</summary>
        public string Key => flavor == MpiFlavor.OpenMpi ? "openmpi" : "mpich";

        /// <summary>Its name in sentences.</summary>
        public string Title => flavor == MpiFlavor.OpenMpi ? "Open MPI" : "MPICH";

        /// <summary>Where it comes from, in sentences.</summary>
        public string Package => flavor == MpiFlavor.OpenMpi ? "Open MPI (Debian: openmpi-bin libopenmpi-dev)" : "MPICH (Debian: mpich libmpich-dev)";
    }
}
