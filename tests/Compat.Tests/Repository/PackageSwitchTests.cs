using System.Diagnostics;
using System.Text.Json;

namespace KvShiftScale.Compat.Tests.Repository;

/// <summary>What UseNuGetPackages makes of the projects, as MSBuild evaluates them; nothing is restored or built.</summary>
public sealed class PackageSwitchTests
{
    private static readonly Dictionary<string, string> s_versions = new()
    {
        ["TorchSharp"] = "0.105.2",
        ["MPI.NET"] = "1.4.0",
        ["Parquet.Net"] = "6.1.0",
        ["Microsoft.ML.Tokenizers"] = "2.0.0",
    };

    public static TheoryData<string, string[]> Projects => new()
    {
        { "Data", ["Parquet.Net", "Microsoft.ML.Tokenizers"] },
        { "Parallel", ["TorchSharp", "MPI.NET"] },
        { "Models", ["TorchSharp"] },
        { "Trainer", ["TorchSharp"] },
    };

    [Theory]
    [MemberData(nameof(Projects))]
    public void PackagesReplaceTheDropIns(string project, string[] packages)
    {
        var items = Evaluate(project, useNuGetPackages: true);
        Assert.Equal(packages.Order(), items.Packages.Where(s_versions.ContainsKey).Order());
        Assert.DoesNotContain(items.Projects, IsDropIn);
        Assert.All(packages, package => Assert.Equal(s_versions[package], items.Versions[package]));
    }

    [Theory]
    [MemberData(nameof(Projects))]
    public void DropInsAreTheDefault(string project, string[] packages)
    {
        var items = Evaluate(project, useNuGetPackages: false);
        Assert.DoesNotContain(items.Packages, s_versions.ContainsKey);
        Assert.Equal(packages.Order(), items.Projects.Where(IsDropIn).Select(Path.GetFileNameWithoutExtension).Order());
        Assert.All(items.Projects, path => Assert.True(File.Exists(path), $"{path} does not exist"));
    }

    private static bool IsDropIn(string path) => path.StartsWith(RepositoryFiles.Path("compat/"), StringComparison.Ordinal);

    private static (List<string> Packages, List<string> Projects, Dictionary<string, string> Versions) Evaluate(
        string project, bool useNuGetPackages)
    {
        var file = RepositoryFiles.Path($"src/{project}/KvShiftScale.{project}.csproj");
        string[] arguments = ["msbuild", file, "-getItem:PackageReference", "-getItem:ProjectReference", "-getItem:PackageVersion"];
        var start = new ProcessStartInfo("dotnet", useNuGetPackages ? [.. arguments, "-p:UseNuGetPackages=true"] : arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        // What the test's own MSBuild set for its children is not for this one.
        foreach (var name in start.Environment.Keys.Where(name => name.StartsWith("MSBuild", StringComparison.OrdinalIgnoreCase)).ToList())
            start.Environment.Remove(name);
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"dotnet {string.Join(' ', start.ArgumentList)}:\n{output}{error.Result}");

        using var json = JsonDocument.Parse(output);
        var items = json.RootElement.GetProperty("Items");
        return (
            Values(items, "PackageReference", "Identity"),
            Values(items, "ProjectReference", "FullPath"),
            items.GetProperty("PackageVersion").EnumerateArray()
                .ToDictionary(item => Value(item, "Identity"), item => Value(item, "Version")));
    }

    private static List<string> Values(JsonElement items, string item, string metadata)
        => [.. items.GetProperty(item).EnumerateArray().Select(element => Value(element, metadata))];

    private static string Value(JsonElement item, string metadata) => item.GetProperty(metadata).GetString()!;
}
