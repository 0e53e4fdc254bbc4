using System.Reflection;
using System.Xml.Linq;

namespace KvShiftScale.Repository.Tests;

/// <summary>Who may know whom, in project files and in what the compiler made of them.</summary>
public sealed class DependencyTests
{
    private static readonly string[] Layered = ["TorchSharp", "MPI.NET", "Parquet.Net", "ParquetSharp", "Microsoft.ML.Tokenizers"];

    /// <summary>Project, assembly, the projects of src/ and the packages of tensors, MPI and files that it may know.</summary>
    public static TheoryData<string, string, string[], string[]> Layers => new()
    {
        { "Core", "KvShiftScale.Core", [], [] },
        { "Data", "KvShiftScale.Data", ["Core"], ["Parquet.Net", "ParquetSharp", "Microsoft.ML.Tokenizers"] },
        { "Parallel", "KvShiftScale.Parallel", ["Core"], ["TorchSharp", "MPI.NET"] },
        { "Models", "KvShiftScale.Models", ["Core", "Parallel"], ["TorchSharp"] },
        // A model folder has its tokenizer beside the weights.
        { "Checkpoints", "KvShiftScale.Checkpoints", ["Core", "Data", "Models", "Parallel"], ["TorchSharp", "Microsoft.ML.Tokenizers"] },
        // The trainer's tokenizer is one of Microsoft.ML.Tokenizers: the compiler names that type where a method overrides the package's.
        { "Trainer", "kvshift", ["Checkpoints", "Core", "Data", "Models", "Parallel"], ["TorchSharp", "Microsoft.ML.Tokenizers"] },
    };

    [Theory]
    [MemberData(nameof(Layers))]
    public void ProjectsReferenceDownwards(string project, string assembly, string[] projects, string[] packages)
    {
        var file = XDocument.Load(RepositoryFiles.Path($"src/{project}/KvShiftScale.{project}.csproj"));
        var referenced = Includes(file, "ProjectReference").Select(path => Path.GetFileName(Path.GetDirectoryName(path))!);
        Assert.Empty(referenced.Except(projects));
        Assert.Empty(Includes(file, "PackageReference").Where(Layered.Contains).Except(packages));

        // A package may also come in through a project, but not past the layers: no tensors in Data, no files in Models.
        string[] assemblies = [.. projects.Select(name => $"KvShiftScale.{name}"), .. packages.Select(AssemblyOf)];
        var compiled = Assembly.Load(assembly).GetReferencedAssemblies().Select(name => name.Name!)
            .Where(name => IsProduct(name) || Layered.Select(AssemblyOf).Contains(name));
        Assert.Empty(compiled.Except(assemblies));
    }

    [Fact]
    public void OnlyTheTrainerKnowsOpenTelemetry()
    {
        var projects = Projects().Where(project => Includes(Load(project), "PackageReference")
            .Any(name => name.StartsWith("OpenTelemetry", StringComparison.Ordinal)));
        Assert.Equal(["src/Trainer/KvShiftScale.Trainer.csproj"], projects);
    }

    [Fact]
    public void VersionsStandInOnePlace()
    {
        foreach (var project in Projects())
        {
            var versioned = Load(project).Descendants("PackageReference")
                .Where(item => item.Attributes().Any(attribute => attribute.Name.LocalName is "Version" or "VersionOverride")
                    || item.Element("Version") is not null)
                .Select(item => $"{project}: the version of {item.Attribute("Include")?.Value} belongs in Directory.Packages.props");
            Assert.Empty(versioned);
        }
    }

    private static bool IsProduct(string assembly) => assembly.StartsWith("KvShiftScale", StringComparison.Ordinal);

    private static IEnumerable<string> Projects() => RepositoryFiles.Below(".", "*.csproj").Select(path => path.TrimStart('.', '/'));

    private static XDocument Load(string project) => XDocument.Load(RepositoryFiles.Path(project));

    private static IEnumerable<string> Includes(XDocument project, string item)
        => project.Descendants(item).Select(element => element.Attribute("Include")?.Value).OfType<string>();

    private static string AssemblyOf(string package) => package switch
    {
        "MPI.NET" => "MPI",
        "Parquet.Net" => "Parquet",
        _ => package,
    };
}
