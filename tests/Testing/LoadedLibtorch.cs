using System.Runtime.CompilerServices;
using KvShiftScale.Parallel.Native;

namespace KvShiftScale.Testing;

/// <summary>Loads libtorch before anything in the assembly that this file is compiled into can use it.</summary>
internal static class LoadedLibtorch
{
    [ModuleInitializer]
    internal static void Load() => Libtorch.Load(Environment.GetEnvironmentVariable("KVSHIFT_LIBTORCH"));
}
