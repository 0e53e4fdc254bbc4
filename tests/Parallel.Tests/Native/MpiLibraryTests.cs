using System.Runtime.InteropServices;
using KvShiftScale.Parallel.Native;

namespace KvShiftScale.Parallel.Tests.Native;

/// <summary>Which MPI a process takes, and which it refuses.</summary>
public sealed class MpiLibraryTests
{
    private const string Both = "openmpi mpich";
    private const string OpenMpiRank = "OMPI_COMM_WORLD_RANK=1 PMIX_RANK=1";
    private const string HydraRank = "PMI_RANK=1 PMI_SIZE=2 HYDI_CONTROL_FD=7";

    [Theory]
    // What the launcher says.
    [InlineData(OpenMpiRank, Both, "openmpi")]
    [InlineData(HydraRank, Both, "mpich")]
    // srun --mpi=pmix, srun --mpi=pmi2.
    [InlineData("PMIX_RANK=0 SLURM_PROCID=0", Both, "openmpi")]
    [InlineData("PMI_RANK=0 PMI_SIZE=2 SLURM_PROCID=0", Both, "mpich")]
    // An mpirun that a step of Slurm's has started.
    [InlineData("OMPI_COMM_WORLD_RANK=1 PMI_RANK=0 PMI_SIZE=2", Both, "openmpi")]
    [InlineData("PMI_RANK=1 HYDI_CONTROL_FD=7 PMIX_RANK=0", Both, "mpich")]
    // What is named, where the launcher may be of several.
    [InlineData("PMIX_RANK=0 KVSHIFT_MPI=mpich", Both, "mpich")]
    [InlineData("PMI_RANK=0 PMI_SIZE=2 KVSHIFT_MPI=openmpi", Both, "openmpi")]
    [InlineData(HydraRank + " KVSHIFT_MPI=mpich", Both, "mpich")]
    // What is there.
    [InlineData("", Both, "openmpi")]
    [InlineData("", "mpich", "mpich")]
    [InlineData("KVSHIFT_MPI=", "mpich", "mpich")]
    public void TheMpiIsThatOfTheLaunch(string variables, string built, string expected)
        => Assert.Equal(expected, MpiLibrary.Choose(Read(variables), Built(built), "/lib").Key);

    [Theory]
    [InlineData(OpenMpiRank + " KVSHIFT_MPI=mpich", Both,
        "found KVSHIFT_MPI=mpich in a launch by Open MPI (OMPI_COMM_WORLD_RANK=1); wanted one MPI for both: start it with MPICH's mpirun, or unset KVSHIFT_MPI")]
    [InlineData(HydraRank + " KVSHIFT_MPI=openmpi", Both,
        "found KVSHIFT_MPI=openmpi in a launch by MPICH (PMI_RANK=1); wanted one MPI for both: start it with Open MPI's mpirun, or unset KVSHIFT_MPI")]
    [InlineData("KVSHIFT_MPI=pmix", Both, "found KVSHIFT_MPI=pmix; wanted openmpi or mpich")]
    [InlineData("KVSHIFT_MPI=OpenMPI", Both, "found KVSHIFT_MPI=OpenMPI; wanted openmpi or mpich")]
    [InlineData(HydraRank, "openmpi",
        "found no libraries for MPICH in /lib, only for Open MPI; wanted them, as this is a launch by MPICH (PMI_RANK=1): install MPICH (Debian: mpich libmpich-dev) "
        + "and run launch/setup, or start with Open MPI's mpirun")]
    [InlineData("PMI_RANK=1 KVSHIFT_MPI=openmpi", "mpich",
        "found no libraries for Open MPI in /lib, only for MPICH; wanted them for KVSHIFT_MPI=openmpi: install Open MPI (Debian: openmpi-bin libopenmpi-dev) "
        + "and run launch/setup, or start with MPICH's mpirun")]
    [InlineData(OpenMpiRank, "",
        "found no library for any MPI in /lib; wanted one, as this process is one of several ranks: install Open MPI (Debian: openmpi-bin libopenmpi-dev) and run launch/setup")]
    public void WhatDoesNotFitIsRefusedWithWhatToDo(string variables, string built, string message)
        => Assert.Equal(message, Assert.Throws<MpiLibraryException>(() => MpiLibrary.Choose(Read(variables), Built(built), "/lib")).Message);

    [Theory]
    [InlineData("Open MPI v4.1.4, package: Debian OpenMPI, ident: 4.1.4, repo rev: v4.1.4, May 26, 2022", MpiFlavor.OpenMpi)]
    [InlineData("MPICH Version:\t4.0.2", MpiFlavor.Mpich)]
    [InlineData("MPI VERSION    : CRAY MPICH version 8.1.27.26 (ANL base 3.4a2)", MpiFlavor.Mpich)]
    [InlineData("MVAPICH2 Version      :\t2.3.7", MpiFlavor.Mpich)]
    [InlineData("Intel(R) MPI Library 2021.11 for Linux* OS", MpiFlavor.Mpich)]
    [InlineData("Microsoft MPI 10.1.12498.18", null)]
    [InlineData("IBM Platform MPI 09.01", null)]
    [InlineData("", null)]
    public void AnMpiIsKnownByItsName(string name, MpiFlavor? expected) => Assert.Equal(expected, MpiLibrary.OfLibraryName(name));

    [Theory]
    [InlineData("mpirun (Open MPI) 4.1.4\n\nReport bugs to http://www.open-mpi.org/community/help/\n", MpiFlavor.OpenMpi)]
    [InlineData("mpiexec (OpenRTE) 3.1.3\n", MpiFlavor.OpenMpi)]
    [InlineData("HYDRA build details:\n    Version:                                 4.0.2\n", MpiFlavor.Mpich)]
    [InlineData("Intel(R) MPI Library for Linux* OS, Version 2021.11 Build 20231005\n", MpiFlavor.Mpich)]
    [InlineData("IBM Platform MPI: 09.01", null)]
    public void ALauncherIsKnownByItsVersion(string text, MpiFlavor? expected) => Assert.Equal(expected, MpiLauncher.OfVersion(text));

    [Fact]
    public void EveryFunctionThatMpiNetIsAskedForIsThereAndNoOther()
    {
        var path = Path.Combine(KvShiftLibrary.Folder, "libkvshift_msmpi.so");
        var library = NativeLibrary.Load(path);
        MpiLibrary.RequireFunctions(library, path, MpiNet.Functions);

        // Neither in it nor in a library that it needs: such a one has other types for its arguments.
        string[] others = ["MPI_Gather", "MPI_Type_struct", "MPI_Barrier", "MPI_Comm_split"];
        Assert.All(others, name => Assert.False(NativeLibrary.TryGetExport(library, name, out _), name));
        Assert.Equal($"found no MPI_Gather, MPI_Scan in {path}; wanted all functions that MPI.NET is asked for. Build it from this program's sources with launch/setup",
            Assert.Throws<KvShiftLibraryException>(() => MpiLibrary.RequireFunctions(library, path, ["MPI_Bcast", "MPI_Gather", "MPI_Scan"])).Message);
    }

    [Fact]
    public void AFolderTellsWhatIsBuilt()
    {
        var folder = Directory.CreateTempSubdirectory("kvshift-mpi-").FullName;
        Assert.Empty(MpiLibrary.BuiltIn(folder));
        Directory.CreateDirectory(Path.Combine(folder, "openmpi"));
        Directory.CreateDirectory(Path.Combine(folder, "mpich"));
        File.WriteAllText(Path.Combine(folder, "mpich", "libkvshift_collectives.so"), "");
        Assert.Equal([MpiFlavor.Mpich], MpiLibrary.BuiltIn(folder));
        Directory.Delete(folder, recursive: true);
    }

    private static Func<string, string?> Read(string variables)
    {
        var values = variables.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(text => text.Split('=')).ToDictionary(pair => pair[0], pair => pair[1]);
        return name => values.GetValueOrDefault(name);
    }

    private static List<MpiFlavor> Built(string keys)
        => [.. Enum.GetValues<MpiFlavor>().Where(flavor => keys.Split(' ').Contains(flavor.Key))];
}
