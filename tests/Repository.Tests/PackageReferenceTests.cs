using System.Diagnostics;
using System.Text.Json;

namespace KvShiftScale.Repository.Tests;

/// <summary>The packages of each project as MSBuild evaluates them, with libtorch for CPUs and for CUDA; nothing is restored or built.</summary>
public sealed class PackageReferenceTests
{
    private static readonly Dictionary<string, string> Versions = new()
    {
        ["TorchSharp"] = "0.107.0",
        ["TorchSharp-cuda-linux"] = "0.107.0",
        ["libtorch-cpu-linux-x64"] = "2.10.0",
        ["MPI.NET"] = "1.4.0",
        ["Parquet.Net"] = "6.1.0",
        ["ParquetSharp"] = "25.0.1.2",
        ["Microsoft.ML.Tokenizers"] = "2.0.1",
    };

    [Theory]
    [InlineData("cpu", "TorchSharp", "libtorch-cpu-linux-x64")]
    [InlineData("cuda", "TorchSharp-cuda-linux")]
    public void TorchIsChosenByOneProperty(string torch, params string[] packages)
    {
        var (found, versions) = Evaluate("Parallel", $"-p:Torch={torch}");
        Assert.Equal([.. packages.Append("MPI.NET").Order()], found.Where(Versions.ContainsKey).Order());
        Assert.All(packages, package => Assert.Equal(Versions[package], versions[package]));
    }

    [Fact]
    public void TorchForCpusIsTheDefault()
    {
        var (found, _) = Evaluate("Parallel");
        Assert.Contains("libtorch-cpu-linux-x64", found);
        Assert.DoesNotContain("TorchSharp-cuda-linux", found);
    }

    [Fact]
    public void AnotherTorchIsRefused()
    {
        var (exitCode, output) = MsBuild(RepositoryFiles.Path("src/Parallel/KvShiftScale.Parallel.csproj"), "-t:CollectPackageReferences", "-p:Torch=rocm");
        Assert.NotEqual(0, exitCode);
        Assert.Contains("found Torch=rocm; wanted cpu or cuda", output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Data", "Parquet.Net", "ParquetSharp", "Microsoft.ML.Tokenizers")]
    [InlineData("Models", "TorchSharp")]
    [InlineData("Checkpoints", "TorchSharp")]
    [InlineData("Trainer", "TorchSharp")]
    public void EveryProjectNamesWhatItIsWrittenOn(string project, params string[] packages)
    {
        var (found, versions) = Evaluate(project);
        Assert.Equal(packages.Order(), found.Where(Versions.ContainsKey).Order());
        Assert.All(packages, package => Assert.Equal(Versions[package], versions[package]));
    }

    private static (List<string> Packages, Dictionary<string, string> Versions) Evaluate(string project, params string[] properties)
    {
        var (exitCode, output) = MsBuild([RepositoryFiles.Path($"src/{project}/KvShiftScale.{project}.csproj"), "-getItem:PackageReference",
            "-getItem:PackageVersion", .. properties]);
        Assert.True(exitCode == 0, output);
        using var json = JsonDocument.Parse(output);
        var items = json.RootElement.GetProperty("Items");
        return ([.. items.GetProperty("PackageReference").EnumerateArray().Select(item => Value(item, "Identity"))],
            items.GetProperty("PackageVersion").EnumerateArray().ToDictionary(item => Value(item, "Identity"), item => Value(item, "Version")));
    }

    private static (int ExitCode, string Output) MsBuild(params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", ["msbuild", "-nologo", .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true };
        // What the test's own MSBuild set for its children is not for this one.
        foreach (var name in start.Environment.Keys.Where(name => name.StartsWith("MSBuild", StringComparison.OrdinalIgnoreCase)).ToList())
        {
            start.Environment.Remove(name);
        }

        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output + error.Result);
    }

    private static string Value(JsonElement item, string metadata) => item.GetProperty(metadata).GetString()!;
}
