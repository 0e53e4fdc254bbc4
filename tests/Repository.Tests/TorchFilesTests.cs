using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;

namespace KvShiftScale.Repository.Tests;

/// <summary>What the build makes of the native files of TorchSharp and libtorch.</summary>
public sealed partial class TorchFilesTests
{
    // Of GCC 13; std::ios_base_library_init() alone has it.
    private const string NewVersion = "GLIBCXX_3.4.32";
    private const ushort Weak = 2;

    private static readonly string Adapted = RepositoryFiles.Path("artifacts/torch/libLibTorchSharp.so");

    [Fact]
    public void LibtorchLiesOnTheDiskOnce()
    {
        Assert.True(File.Exists(RepositoryFiles.Path("artifacts/torch/libtorch_cpu.so")));
        var copies = Directory.EnumerateFiles(RepositoryFiles.Path("artifacts/bin"), "libtorch*", SearchOption.AllDirectories)
            .Concat(Directory.EnumerateFiles(RepositoryFiles.Path("artifacts/bin"), "libLibTorchSharp*", SearchOption.AllDirectories));
        Assert.Empty(copies);
    }

    [Fact]
    public void NativeFilesOfOtherSystemsAreNotCopied()
    {
        var others = Directory.EnumerateDirectories(RepositoryFiles.Path("artifacts/bin"), "native", SearchOption.AllDirectories)
            .Select(folder => Path.GetFileName(Path.GetDirectoryName(folder)!)).Where(system => !system.StartsWith("linux-", StringComparison.Ordinal));
        Assert.Empty(others);
    }

    // Only where this machine's libstdc++ is older, and in the copy alone.
    [Fact]
    public void TheNeedOfANewerLibstdcxxIsWeakWhereItHasTo()
    {
        var isOld = dlvsym(0, "_ZSt21ios_base_library_initv", NewVersion) == 0;
        Assert.Equal(isOld ? Weak : 0, FlagsOfNeed(Adapted));
        var package = Path.Combine(PackageFolder(), "torchsharp", "0.107.0", "runtimes", "linux-x64", "native", "libLibTorchSharp.so");
        Assert.Equal(0, FlagsOfNeed(package));
        Assert.Equal(new FileInfo(package).Length, new FileInfo(Adapted).Length);
    }

    private static string PackageFolder()
        => Environment.GetEnvironmentVariable("NUGET_PACKAGES") is { Length: > 0 } folder
            ? folder : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");

    // vna_flags of the version in .gnu.version_r; ELF, 64 bits, little-endian.
    private static int FlagsOfNeed(string path)
    {
        var file = File.ReadAllBytes(path);
        var (sections, size, count) = ((int)U64(0x28), U16(0x3A), U16(0x3C));
        for (var i = 0; i < count; i++)
        {
            var section = sections + i * size;
            if (U32(section + 4) != 0x6ffffffe)
            {
                continue;
            }

            var names = (int)U64(sections + (int)U32(section + 40) * size + 24);
            var need = (int)U64(section + 24);
            for (var left = U32(section + 44); left > 0; left--)
            {
                var entry = need + (int)U32(need + 8);
                for (var version = U16(need + 2); version > 0; version--)
                {
                    var name = names + (int)U32(entry + 8);
                    if (Encoding.ASCII.GetString(file, name, Array.IndexOf(file, (byte)0, name) - name) == NewVersion)
                    {
                        return U16(entry + 4);
                    }
                    entry += (int)U32(entry + 12);
                }
                need += (int)U32(need + 12);
            }
        }
        throw new InvalidDataException($"{path} needs no {NewVersion}");

        ushort U16(int at) => BinaryPrimitives.ReadUInt16LittleEndian(file.AsSpan(at));
        uint U32(int at) => BinaryPrimitives.ReadUInt32LittleEndian(file.AsSpan(at));
        ulong U64(int at) => BinaryPrimitives.ReadUInt64LittleEndian(file.AsSpan(at));
    }

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint dlvsym(nint library, string symbol, string version);
}
