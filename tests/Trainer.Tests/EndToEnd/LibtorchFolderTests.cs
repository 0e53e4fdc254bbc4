using KvShiftScale.Core;
using KvShiftScale.Testing;

namespace KvShiftScale.Trainer.Tests.EndToEnd;

/// <summary><c>KVSHIFT_LIBTORCH</c>: another libtorch than the package's.</summary>
[Collection(nameof(EndToEndGroup))]
public sealed class LibtorchFolderTests(TrainingFixture fixture)
{
    private const string Variable = "KVSHIFT_LIBTORCH";

    [Fact]
    public void ALibtorchElsewhereIsUsed()
    {
        using var folder = new TemporaryFolder();
        var own = Path.GetFullPath((string)AppContext.GetData("KvShift.TorchFolder")!, AppContext.BaseDirectory);
        foreach (var library in Directory.EnumerateFiles(own).Where(file => !Path.GetFileName(file).Contains("TorchSharp", StringComparison.Ordinal)))
        {
            File.CreateSymbolicLink(folder.PathOf(Path.GetFileName(library)), library);
        }

        using var run = ProgramRun.StartFile("env", [$"{Variable}={folder.Path}", "dotnet", ProgramRun.KvShift, .. fixture.TrainArguments("elsewhere", ["run.steps=1"])]);
        run.WaitFor(ExitCode.Done);
    }

    [Theory]
    [InlineData("nothing-there")]
    [InlineData("")]
    public void AFolderWithoutLibtorchIsRefusedBeforeAnythingIsDone(string name)
    {
        using var folder = new TemporaryFolder();
        var wanted = Path.Combine(folder.Path, name);
        using var run = ProgramRun.StartFile("env", [$"{Variable}={wanted}", "dotnet", ProgramRun.KvShift, .. fixture.TrainArguments("refused-torch", [])]);
        run.WaitFor(ExitCode.Usage);
        Assert.Contains($"found no libtorch_cpu.so in {wanted.TrimEnd('/')}", run.Error, StringComparison.Ordinal);
        Assert.Contains("torch/lib of a PyTorch wheel", run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void AFileThatIsNoLibraryIsNamed()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.PathOf("libtorch_cpu.so"), "not a library");
        File.WriteAllText(folder.PathOf("libc10.so"), "not a library");
        using var run = ProgramRun.StartFile("env", [$"{Variable}={folder.Path}", "dotnet", ProgramRun.KvShift, .. fixture.TrainArguments("broken-torch", [])]);
        run.WaitFor(ExitCode.Usage);
        Assert.Contains($"{folder.PathOf("libc10.so")} cannot be loaded", run.Error, StringComparison.Ordinal);
    }
}
