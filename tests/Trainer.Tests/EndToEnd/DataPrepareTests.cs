using System.Text.Json;
using KvShiftScale.Core;
using KvShiftScale.Testing;
using Xunit.Sdk;

namespace KvShiftScale.Trainer.Tests.EndToEnd;

[Collection(nameof(EndToEndGroup))]
public sealed class DataPrepareTests(TrainingFixture fixture) : IDisposable
{
    private const int SigKill = 9;

    private static readonly string[] ManyShards = ["--shard-tokens", "50000"];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void APreparationThatIsKilledGoesOnWhenStartedAgain()
    {
        // 8 MB, a second or more of tokenization on one thread, in about 60 shards.
        var lines = TrainingFixture.TrainingTexts.Select((text, number) => JsonSerializer.Serialize(new { text = $"{number} {text}" })).ToArray();
        File.WriteAllLines(_folder.PathOf("a.jsonl"), Enumerable.Range(0, 400).SelectMany(_ => lines));
        Prepare("whole", ManyShards);
        var expected = Contents("whole");
        Assert.InRange(expected.Count, 20, 200);

        // One that was done before the signal came, because this process had lost its processor, is no case.
        var output = Enumerable.Range(1, 3).Select(attempt => $"out-{attempt}").FirstOrDefault(IsKilledInTheMiddle);
        Assert.True(output is not null, "three preparations were done before they could be killed");

        Assert.False(File.Exists(_folder.PathOf(output, "manifest.json")));
        var before = Shards(output).Length;
        using var again = Prepare(output, ManyShards);

        // The last shard may have been complete before it was noted, and is then made once more.
        Assert.Matches($"going on after ({before}|{before - 1}) shards", again.Error);
        Assert.Equal(expected, Contents(output));
        using var verify = ProgramRun.Execute(ExitCode.Done, "data", "verify", _folder.PathOf(output));
        Assert.Equal(400 * lines.Length, JsonDocument.Parse(verify.LastLine).RootElement.GetProperty("rows").GetInt64());
    }

    [Fact]
    public void OtherWorkInTheFolderIsRefusedBeforeAnyIsDone()
    {
        File.WriteAllText(_folder.PathOf("a.jsonl"), """{"text":"one"}""");
        Prepare("out");
        File.AppendAllText(_folder.PathOf("a.jsonl"), "\n{\"text\":\"two\"}");

        using var changed = ProgramRun.Execute(ExitCode.Usage, Arguments("out"));
        Assert.Contains("a.jsonl had 14 bytes, and now it has 29. Remove the folder, or choose another one", changed.Error, StringComparison.Ordinal);
        using var nothing = ProgramRun.Execute(ExitCode.Usage, "data", "prepare", "--input", _folder.PathOf("*.txt"), "--tokenizer",
            fixture.TokenizerPath, "--output", _folder.PathOf("none"));
        Assert.Contains("matches no file", nothing.Error, StringComparison.Ordinal);
        Assert.False(Directory.Exists(_folder.PathOf("none")));
    }

    [Fact]
    public void ABrokenLineEndsItWithItsPlace()
    {
        File.WriteAllText(_folder.PathOf("a.jsonl"), "{\"text\":\"one\"}\n{\"body\":\"two\"}\n");

        using var run = ProgramRun.Execute(ExitCode.Failed, Arguments("out"));

        Assert.Contains("a.jsonl, line 2: no field 'text'; found 'body'", run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void AFolderIsInspectedAndHeldAgainstItsManifest()
    {
        File.WriteAllLines(_folder.PathOf("a.jsonl"), TrainingFixture.TrainingTexts.Select(text => JsonSerializer.Serialize(new { text })));
        Prepare("out", "--shard-tokens", "500");

        using (var inspect = ProgramRun.Execute(ExitCode.Done, "data", "inspect", _folder.PathOf("out"), "--documents", "1", "--tokenizer", fixture.TokenizerPath))
        {
            Assert.Contains($"{Shards("out").Length} in {_folder.PathOf("out")}", inspect.Output, StringComparison.Ordinal);
            Assert.Contains("required int32 element", inspect.Output, StringComparison.Ordinal);
            Assert.Contains("documents by number of tokens", inspect.Output, StringComparison.Ordinal);
            Assert.Contains("160", inspect.Output, StringComparison.Ordinal);
            Assert.Contains(TrainingFixture.TrainingTexts[0], inspect.Output.ReplaceLineEndings(" "), StringComparison.Ordinal);
            Assert.DoesNotContain("document 1,", inspect.Output, StringComparison.Ordinal);
        }

        // A shard under another's name: the checksum of all is printed as ever, and the difference is named.
        File.Copy(Shards("out")[0], Shards("out")[1], overwrite: true);
        using var verify = ProgramRun.Execute(ExitCode.Failed, "data", "verify", _folder.PathOf("out"));
        Assert.Contains("shard-00001.parquet", verify.Error, StringComparison.Ordinal);
        Assert.Equal(64, JsonDocument.Parse(verify.LastLine).RootElement.GetProperty("sha256").GetString()!.Length);
    }

    private bool IsKilledInTheMiddle(string output)
    {
        using var run = ProgramRun.Start([.. Arguments(output), .. ManyShards]);
        Assert.True(SpinWait.SpinUntil(() => Shards(output).Length >= 3 || run.HasEnded, ProgramRun.Patience), "no shards to interrupt");
        run.KillAlone();
        return run.WaitForEnd() switch
        {
            128 + SigKill => true,
            ExitCode.Done => false,
            var code => throw new XunitException($"the preparation gave exit code {code}:\n{run.Error}"),
        };
    }

    private ProgramRun Prepare(string output, params string[] more) => ProgramRun.Execute(ExitCode.Done, [.. Arguments(output), .. more]);

    private string[] Arguments(string output) =>
    [
        "data", "prepare", "--input", _folder.PathOf("a.jsonl"), "--tokenizer", fixture.TokenizerPath, "--output", _folder.PathOf(output),
        "--threads", "1",
    ];

    private string[] Shards(string output) => Directory.Exists(_folder.PathOf(output))
        ? [.. Directory.GetFiles(_folder.PathOf(output), "*.parquet").Order(StringComparer.Ordinal)]
        : [];

    private SortedDictionary<string, string> Contents(string output) => new(Directory.GetFiles(_folder.PathOf(output))
        .ToDictionary(path => Path.GetFileName(path), path => Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(path)))),
        StringComparer.Ordinal);
}
