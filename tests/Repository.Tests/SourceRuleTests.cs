using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;

namespace KvShiftScale.Repository.Tests;

/// <summary>Rules of the house that a compiler does not check.</summary>
public sealed partial class SourceRuleTests
{
    private const int LineLimit = 600;
    private const int SourceLineLimit = 400;

    private static readonly string[] OwnFolders = ["src", "native", "tests", "bench"];
    private static readonly string[] OwnExtensions = [".cs", ".cpp", ".h", ".cu", ".py"];

    [Fact]
    public void LibrariesDoNotWriteToTheConsole()
        // What an injected fault says is said to the test that has injected it.
        => AssertNowhere(@"\bConsole\.", Sources("src").Where(file => file != "src/Core/Faults/InjectedFaults.cs"
            && !file.StartsWith("src/Trainer/", StringComparison.Ordinal)));

    [Fact]
    public void TheEnvironmentIsReadAtTheEntryOnly()
        => AssertNowhere(@"\bGetEnvironmentVariables?\b", Sources("src").Where(file =>
            file is not ("src/Trainer/Program.cs" or "src/Trainer/Commands/CommandLine.cs")
            && !file.StartsWith("src/Trainer/Launch/", StringComparison.Ordinal)));

    // A thread's body hands whatever it meets to the step that waits for it; what a node of the graph meets is thrown where the step called backward.
    [Fact]
    public void EverythingIsCaughtAtTheEntryOnly()
        => AssertNowhere(@"catch \(Exception\b[^)]*\)\s*$", Sources("src").Where(file =>
            file is not ("src/Trainer/Commands/CommandLine.cs" or "src/Core/Files/Crew.cs" or "src/Parallel/Gradients/CommunicationThread.cs"
                or "src/Parallel/Autograd/BackwardPass.cs" or "src/Trainer/Serving/QueuedRequest.cs")));

    // Exceptions of our functions come out of there alone.
    [Fact]
    public void GraphsAreDifferentiatedInOnePlaceOnly()
        => AssertNowhere(@"\bbackward\(|[^.]\bSingleTensorFunction<|\bMultiTensorFunction<", Sources("src").Where(file =>
            !file.StartsWith("src/Parallel/Autograd/", StringComparison.Ordinal)));

    [Fact]
    public void NothingDependsOnTheClockOrOnUnseededNumbers()
        => AssertNowhere(@"\bDateTime\.(Now|Today)\b|\bnew Random\(\)|\bRandom\.Shared\b", Sources("src"));

    [Fact]
    public void NoRegionsAndNoUnfinishedBusiness()
        => AssertNowhere("""^\s*#region|\b(TODO|FIXME|HACK|XXX)\b|\bnew NotImplementedException\b""",
            OwnFiles().Where(file => !file.EndsWith($"/{nameof(SourceRuleTests)}.cs", StringComparison.Ordinal)));

    [Fact]
    public void FilesAreNamedForWhatTheyHold()
    {
        var offenders = OwnFiles()
            .Where(file => EmptyName().IsMatch(Path.GetFileNameWithoutExtension(file))).ToList();
        Assert.True(offenders.Count == 0, $"a name says what a file holds, not that it helps:\n{string.Join('\n', offenders)}");
    }

    [Fact]
    public void FilesFitInAReadersHead()
    {
        var offenders = OwnFiles().Select(file => (file, lines: File.ReadLines(RepositoryFiles.Path(file)).Count()))
            .Where(entry => entry.lines > (entry.file.StartsWith("src/", StringComparison.Ordinal) ? SourceLineLimit : LineLimit))
            .Select(entry => $"{entry.file}: {entry.lines} lines").ToList();
        Assert.True(offenders.Count == 0, $"files of more than {SourceLineLimit} lines in src/ or {LineLimit} elsewhere:\n{string.Join('\n', offenders)}");
    }

    [Theory]
    [InlineData("KvShiftScale.Core")]
    [InlineData("KvShiftScale.Data")]
    [InlineData("KvShiftScale.Parallel")]
    [InlineData("KvShiftScale.Models")]
    [InlineData("KvShiftScale.Checkpoints")]
    [InlineData("kvshift")]
    public void NoStaticFieldCanChange(string assembly)
    {
        string[] allowed =
        [
            // Where the run of this process is: the watch has to read it whatever the thread that trains is stuck in.
            "KvShiftScale.Core.Progress.RunProgress",
            // The pass of each thread, which native code calls back into.
            "KvShiftScale.Parallel.Autograd.BackwardPass",
            // What the process has loaded belongs to the process.
            "KvShiftScale.Parallel.Native.Libtorch",
            "KvShiftScale.Parallel.Native.MpiLibrary",
        ];
        const BindingFlags Statics = BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;
        var offenders = Assembly.Load(assembly).GetTypes()
            .Where(type => !type.IsDefined(typeof(CompilerGeneratedAttribute)) && !type.FullName!.Contains('<', StringComparison.Ordinal))
            .Where(type => !allowed.Contains(type.FullName))
            .SelectMany(type => type.GetFields(Statics))
            .Where(field => field is { IsInitOnly: false, IsLiteral: false } && !field.IsDefined(typeof(CompilerGeneratedAttribute)))
            .Select(field => $"{field.DeclaringType}.{field.Name}").ToList();
        Assert.True(offenders.Count == 0, $"static state that changes:\n{string.Join('\n', offenders)}");
    }

    private static IEnumerable<string> Sources(string folder) => RepositoryFiles.Below(folder, "*.cs");

    private static IEnumerable<string> OwnFiles()
        => OwnFolders.SelectMany(folder => RepositoryFiles.Below(folder, "*"))
            .Where(file => OwnExtensions.Contains(Path.GetExtension(file)));

    private static void AssertNowhere(string pattern, IEnumerable<string> files)
    {
        var banned = new Regex(pattern);
        var read = 0;
        var offenders = new List<string>();
        foreach (var file in files)
        {
            read++;
            var number = 0;
            foreach (var line in File.ReadLines(RepositoryFiles.Path(file)))
            {
                number++;
                if (banned.IsMatch(line))
                {
                    offenders.Add($"{file}:{number}: {line.Trim()}");
                }
            }
        }
        Assert.True(read > 10, $"only {read} files were looked at");
        Assert.True(offenders.Count == 0, $"not wanted here:\n{string.Join('\n', offenders)}");
    }

    [GeneratedRegex("(Utils?|Utilities|Helpers?|Manager|Common|Misc)$")]
    private static partial Regex EmptyName();
}
