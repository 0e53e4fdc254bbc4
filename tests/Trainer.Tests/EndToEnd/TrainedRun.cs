using System.Globalization;
using KvShiftScale.Trainer.Telemetry;

namespace KvShiftScale.Trainer.Tests.EndToEnd;

/// <summary>What a run left in its folder.</summary>
internal sealed class TrainedRun(string path)
{
    public string Path { get; } = path;

    public IReadOnlyList<StepRecord> Records => MetricsLog.Read(PathOf("metrics.jsonl"));

    public StepRecord Last => Records[^1];

    public string PathOf(params string[] names) => System.IO.Path.Combine([Path, .. names]);

    public static string NameOf(long step) => string.Create(CultureInfo.InvariantCulture, $"step-{step:D8}");

    public string Checkpoint(long step) => PathOf("checkpoints", NameOf(step));

    /// <summary>Name of the file that the first rank saves its parts in.</summary>
    public const string FirstRankFile = "rank-00000.safetensors";

    /// <summary>Parameters and moments of a checkpoint by name, as bytes, put together from whatever slices there are.</summary>
    public SortedDictionary<string, byte[]> Tensors(long step) => CheckpointAssembly.Read(Checkpoint(step));

    /// <summary>Each step from 1 on stands once, with the same loss and gradient norm as in another run.</summary>
    /// <param name="expected">The other run.</param>
    /// <param name="tolerance">Relative; 0 wants the same bits.</param>
    public void AssertSameCurve(TrainedRun expected, double tolerance)
    {
        var (wanted, found) = (expected.Records, Records);
        Assert.Equal(Enumerable.Range(1, wanted.Count).Select(step => (long)step), found.Select(record => record.Step));
        foreach (var (theirs, ours) in wanted.Zip(found))
        {
            Assert.Equal(theirs.Step, ours.Step);
            Close("loss", theirs.Loss, ours.Loss);
            Close("grad_norm", theirs.GradNorm, ours.GradNorm);
            Assert.Equal(theirs.Lr, ours.Lr);
            Assert.Equal(theirs.Tokens, ours.Tokens);

            void Close(string name, double a, double b) => Assert.True(Math.Abs(a - b) <= tolerance * Math.Abs(a),
                $"step {ours.Step}: {name} {b:R}, wanted {a:R} within {tolerance} of it");
        }
    }

    /// <summary>Copies everything to the folder of another run.</summary>
    public TrainedRun CopyTo(string destination)
    {
        foreach (var file in Directory.GetFiles(Path, "*", SearchOption.AllDirectories))
        {
            var target = System.IO.Path.Combine(destination, System.IO.Path.GetRelativePath(Path, file));
            Directory.CreateDirectory(System.IO.Path.GetDirectoryName(target)!);
            File.Copy(file, target);
        }
        return new TrainedRun(destination);
    }
}
