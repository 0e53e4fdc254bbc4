using System.Text.Json;
using KvShiftScale.Core;
using KvShiftScale.Data.Tokenization;
using KvShiftScale.Testing;

namespace KvShiftScale.Trainer.Tests.EndToEnd;

/// <summary>
/// Text, a tokenizer and shards that the real verbs made, and a configuration of a model of 38 thousand parameters. Runs that several
/// tests look at are trained once.
/// </summary>
public sealed class TrainingFixture : IDisposable
{
    public const int Steps = 20;

    private static readonly string[] Words =
        "the shift of keys and values moves one step back while attention reads forward over every token in a small model".Split(' ');

    private readonly TemporaryFolder _folder = new();
    private readonly Lazy<TrainedRun> _oneRank;
    private readonly Lazy<TrainedRun> _twoRanks;
    private readonly Lazy<ServedModel> _served;
    private readonly Dictionary<string, TrainedRun> _shared = [];

    public TrainingFixture()
    {
        WriteText("train.jsonl", TrainingTexts);
        WriteText("validation.jsonl", ValidationTexts);
        ProgramRun.Execute(ExitCode.Done, "tokenizer", "train", "--input", PathOf("train.jsonl"), "--vocab-size", "300", "--output", TokenizerPath);
        foreach (var name in (string[])["train", "validation"])
        {
            ProgramRun.Execute(ExitCode.Done, "data", "prepare", "--input", PathOf(name + ".jsonl"), "--tokenizer", TokenizerPath,
                "--output", PathOf(name));
        }

        File.WriteAllText(ConfigPath,
            $$"""
            run: { name: unnamed, steps: {{Steps}}, seed: 3, log_every: 1, validate_every: 10, checkpoint_every: 8, sample_prompt: the, directory: {{RunsPath}} }
            model: { vocab_size: 300, hidden_size: 32, layers: 2, heads: 4, kv_heads: 2, ffn_size: 64 }
            data:
              train: [{{PathOf("train")}}/*.parquet]
              validation: [{{PathOf("validation")}}/*.parquet]
              tokenizer: {{TokenizerPath}}
              context: 48
              global_batch: 4
              micro_batch: 1
            parallel: { threads_per_rank: 1 }
            optimizer: { lr: 3.0e-3, warmup_steps: 5, decay: cosine, weight_decay: 0.1, clip_norm: 1.0 }
            """);
        // A run that failed fails the test that wanted it, and not all of those that come later.
        _oneRank = new Lazy<TrainedRun>(() => Train(Cleared("one-rank")), LazyThreadSafetyMode.PublicationOnly);
        _served = new Lazy<ServedModel>(() => new ServedModel(ModelPath), LazyThreadSafetyMode.PublicationOnly);
        _twoRanks = new Lazy<TrainedRun>(() => TrainOnTwoRanks(Cleared("two-ranks")), LazyThreadSafetyMode.PublicationOnly);
    }

    /// <summary>Documents of 3 to 42 words, in no order of length.</summary>
    public static IReadOnlyList<string> TrainingTexts { get; } = MakeTexts(160, seed: 1);

    /// <summary>Other documents of the same kind.</summary>
    public static IReadOnlyList<string> ValidationTexts { get; } = MakeTexts(24, seed: 2);

    public string ConfigPath => PathOf("config.yaml");

    public string RunsPath => PathOf("runs");

    public string TokenizerPath => PathOf("tokenizer");

    public string TrainingShard => PathOf("train", "shard-00000.parquet");

    public string ValidationShard => PathOf("validation", "shard-00000.parquet");

    /// <summary>The configuration trained to its end on one rank.</summary>
    internal TrainedRun OneRank => _oneRank.Value;

    /// <summary>The same on two ranks.</summary>
    internal TrainedRun TwoRanks => _twoRanks.Value;

    /// <summary>A server of <see cref="ModelPath"/>.</summary>
    internal ServedModel Served => _served.Value;

    /// <summary>A run that several tests look at, trained by the first of them.</summary>
    internal TrainedRun Shared(string name, Func<TrainedRun> train)
    {
        if (!_shared.TryGetValue(name, out var run))
        {
            _shared.Add(name, run = train());
        }

        return run;
    }

    /// <summary>Checkpoint folder of the last step of <see cref="OneRank"/>.</summary>
    public string ModelPath => OneRank.Checkpoint(Steps);

    public string PathOf(params string[] names) => _folder.PathOf(names);

    /// <summary>The folder of a run, there or not.</summary>
    internal TrainedRun RunOf(string name) => new(Path.Combine(RunsPath, name));

    /// <summary>Arguments of a training run.</summary>
    public string[] TrainArguments(string name, params string[] settings)
        => ["train", ConfigPath, "--set", $"run.name={name}", .. settings.SelectMany(setting => (string[])["--set", setting])];

    internal TrainedRun Train(string name, params string[] settings)
    {
        ProgramRun.Execute(ExitCode.Done, TrainArguments(name, settings));
        return RunOf(name);
    }

    internal TrainedRun TrainOnTwoRanks(string name, params string[] settings)
    {
        MpiRun.Execute(2, ProgramRun.KvShift, TrainArguments(name, settings));
        return RunOf(name);
    }

    /// <summary>Returns once a run has logged steps.</summary>
    internal void WaitForSteps(string name, int count)
    {
        var path = RunOf(name).PathOf("metrics.jsonl");
        Assert.True(SpinWait.SpinUntil(() => File.Exists(path) && File.ReadAllBytes(path).Count(letter => letter == '\n') >= count,
            ProgramRun.Patience), $"{path} has no {count} lines after {ProgramRun.Patience}");
    }

    /// <summary>Ids of each document as the shards should have them: encoded, and ended by end-of-text.</summary>
    internal IReadOnlyList<int[]> Encode(IReadOnlyList<string> texts)
    {
        var tokenizer = TokenizerModel.Load(TokenizerPath);
        return [.. texts.Select(text => (int[])[.. tokenizer.Encode(text), tokenizer.EndOfTextId!.Value])];
    }

    public void Dispose()
    {
        if (_served.IsValueCreated)
        {
            _served.Value.Dispose();
        }

        _folder.Dispose();
    }

    // Without what an attempt that failed has left.
    private string Cleared(string name)
    {
        if (Directory.Exists(RunOf(name).Path))
        {
            Directory.Delete(RunOf(name).Path, recursive: true);
        }

        return name;
    }

    private void WriteText(string name, IReadOnlyList<string> texts)
        => File.WriteAllLines(PathOf(name), texts.Select(text => JsonSerializer.Serialize(new { text })));

    private static string[] MakeTexts(int count, uint seed)
    {
        var texts = new string[count];
        for (var i = 0; i < count; i++)
        {
            texts[i] = string.Join(' ', Enumerable.Range(0, 3 + i * 17 % 40).Select(_ => Words[Next() % Words.Length])) + ".";
        }

        return texts;

        // Numerical Recipes' generator; its high bits are good enough to pick words.
        int Next() => (int)((seed = unchecked(seed * 1664525 + 1013904223)) >> 16);
    }
}
