using System.Reflection;
using KvShiftScale.Compat.Tests.Repository;

namespace KvShiftScale.Compat.Tests.Surface;

/// <summary>Holds the drop-ins, and what the product uses of them, to the surfaces of the real packages.</summary>
public sealed class SurfaceTests
{
    private static readonly string[] s_products = ["KvShiftScale.Data", "KvShiftScale.Parallel", "KvShiftScale.Models", "kvshift"];

    public static TheoryData<string, string> Packages => new()
    {
        { "TorchSharp", "TorchSharp" },
        { "MPI.NET", "MPI" },
        { "Parquet.Net", "Parquet" },
        { "Microsoft.ML.Tokenizers", "Microsoft.ML.Tokenizers" },
    };

    [Theory]
    [MemberData(nameof(Packages))]
    public void DropInHasNothingThatTheRealPackageLacks(string package, string assembly)
    {
        var list = new SurfaceList(package);
        var surplus = SurfaceLines.Of(Assembly.Load(assembly)).Where(line => !list.Allows(line)).ToList();
        Assert.True(surplus.Count == 0, $"compat/{package} has, and compat/surface/{package}.txt has not:\n{string.Join('\n', surplus)}");
    }

    [Theory]
    [MemberData(nameof(Packages))]
    public void ListHasNothingThatTheDropInLacks(string package, string assembly)
    {
        var lines = SurfaceLines.Of(Assembly.Load(assembly)).ToList();
        var present = lines.ToHashSet(StringComparer.Ordinal);
        var types = lines.Where(SurfaceList.IsType).Select(line => line.Split(" :: ")[0]).ToHashSet(StringComparer.Ordinal);
        var missing = new SurfaceList(package).Lines
            .Where(line => SurfaceList.IsType(line) ? !types.Contains(line.Split(" :: ")[0]) : !present.Contains(line)).ToList();
        Assert.True(missing.Count == 0, $"compat/surface/{package}.txt claims, and compat/{package} lacks:\n{string.Join('\n', missing)}");
    }

    [Theory]
    [MemberData(nameof(Packages))]
    public void ProductUsesOnlyWhatTheRealPackageHas(string package, string assembly)
    {
        var list = new SurfaceList(package);
        var target = Assembly.Load(assembly);
        var used = s_products.SelectMany(product => ReferencedMembers.Lines(Assembly.Load(product), target)).Distinct().ToList();
        Assert.NotEmpty(used);
        var surplus = used.Where(line => !list.Allows(line)).ToList();
        Assert.True(surplus.Count == 0, $"src/ uses, and compat/surface/{package}.txt has not:\n{string.Join('\n', surplus)}");
    }

    [Fact]
    public void EveryDropInHasItsList()
    {
        var dropIns = RepositoryFiles.Below("compat", "*.csproj").Select(Path.GetFileNameWithoutExtension).Order(StringComparer.Ordinal);
        var lists = RepositoryFiles.Below("compat/surface", "*.txt").Select(Path.GetFileNameWithoutExtension).Order(StringComparer.Ordinal);
        Assert.Equal(dropIns, lists);
    }
}
