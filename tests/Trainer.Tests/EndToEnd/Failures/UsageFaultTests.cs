using KvShiftScale.Core;
using KvShiftScale.Testing;

namespace KvShiftScale.Trainer.Tests.EndToEnd.Failures;

/// <summary>What cannot be run ends with exit code 2, says what to do, and leaves no trace in the folder of runs.</summary>
[Collection(nameof(EndToEndGroup))]
public sealed class UsageFaultTests(TrainingFixture fixture)
{
    // Arguments separated by spaces; CONFIG, ROOT, DATA and MODEL stand for paths of the fixture. Then what standard error has to say.
    [Theory]
    [InlineData("train CONFIG --set run.stepz=5", "run.stepz = 5", "'stepz' is not a key of 'run'", "run.steps")]
    [InlineData("train CONFIG --set rum.steps=5", "rum", "rule:", "remedy:", "run")]
    [InlineData("train CONFIG --set model.hidden_size=large", "model.hidden_size = large", "rule:", "remedy:")]
    [InlineData("train CONFIG --set model.preset=kvshift-20b", "model.preset = kvshift-20b", "kvshift-1.5b", "baichuan-m1-14b", "remedy:")]
    [InlineData("train CONFIG --ranks 2", "--ranks 2", "--dry-run", "launch/train")]
    [InlineData("train CONFIG --dry-run --ranks 3", "data.global_batch = 4", "3 data-parallel ranks")]
    [InlineData("train CONFIG --set precision=fp31", "precision = fp31", "rule:", "fp32", "remedy:")]
    [InlineData("train CONFIG --set optimizer.decay=exponential", "optimizer.decay = exponential", "rule:", "constant", "cosine", "remedy:")]
    [InlineData("train CONFIG --set data.global_batch=3 --set data.micro_batch=2", "data.micro_batch = 2", "must divide the 3 sequences", "set 1 or 3")]
    [InlineData("train CONFIG --set model.vocab_size=299", "model.vocab_size = 299", "must be at least", "300", "set model.vocab_size: 300")]
    [InlineData("train CONFIG --set data.train=[ROOT/nowhere/*.parquet]", "data.train = ROOT/nowhere/*.parquet", "must be a file, a folder or a glob", "remedy:")]
    [InlineData("train CONFIG --set data.train=[s3://bucket/train]", "data.train = s3://bucket/train", "is an address", "Mount what is there")]
    [InlineData("train CONFIG --set data.train=[ROOT/tokenizer]", "data.train = ROOT/tokenizer", "none of a known kind; expected *.parquet", "kvshift data prepare")]
    [InlineData("train CONFIG --set data.train=[ROOT/train.jsonl]", "data.train = ROOT/train.jsonl", "has the name of a text", "kvshift data prepare")]
    [InlineData("train CONFIG --set data.validation=[hf://datasets/a/b]", "data.validation = hf://datasets/a/b", "is an address")]
    [InlineData("eval --model MODEL --data https://host/a.parquet", "is an address", "Mount what is there")]
    [InlineData("eval --model MODEL --data ROOT/tokenizer", "none of a known kind; expected *.parquet")]
    [InlineData("data verify s3://bucket/train", "is an address", "Mount what is there")]
    [InlineData("data inspect ROOT/tokenizer", "none of a known kind; expected *.parquet")]
    [InlineData("data inspect gs://bucket/*.parquet", "is an address")]
    [InlineData("data prepare --input s3://bucket/a.jsonl --tokenizer ROOT/tokenizer --output ROOT/runs/data", "is an address", "Mount what is there")]
    [InlineData("tokenizer train --input az://box/text --vocab-size 300 --output ROOT/runs/tokenizer", "is an address", "Mount what is there")]
    [InlineData("train CONFIG --set data.validation=[ROOT/nowhere.parquet]", "data.validation = ROOT/nowhere.parquet", "rule:", "remedy:")]
    [InlineData("train CONFIG --set data.tokenizer=ROOT/nowhere", "data.tokenizer = ROOT/nowhere", "must be a tokenizer folder")]
    [InlineData("train CONFIG --set run.initialize_from=ROOT/nowhere", "run.initialize_from = ROOT/nowhere", "must be a model folder", "remedy:")]
    [InlineData("train CONFIG --set run.initialize_from=MODEL --set model.layers=3", "run.initialize_from = MODEL", "must hold a model of the shape", "model.layers is 2 and not 3")]
    [InlineData("train ROOT/missing.yaml", "ROOT/missing.yaml")]
    [InlineData("train CONFIG --new --set run.name=one-rank", "run.name = one-rank", "--new wants a folder that does not exist", "choose another run.name")]
    [InlineData("train CONFIG --fast", "--fast")]
    [InlineData("train", "argument missing", "'train'", "--help")]
    [InlineData("trian CONFIG", "trian", "did you mean train?")]
    [InlineData("train --fast CONFIG", "unknown option --fast")]
    [InlineData("train CONFIG --set parallel.threads_per_rank=100000", "parallel.threads_per_rank = 100000", "must be at most", "on this machine")]
    [InlineData("train CONFIG --set parallel.threads_per_rank=1000", "parallel.threads_per_rank = 1000", "on this machine")]
    [InlineData("train CONFIG --set data.context=2147483648", "data.context = 2147483648", "to 16777216")]
    [InlineData("train CONFIG --set model.hidden_size=65536 --set model.layers=1000 --set model.ffn_size=262144", "needs", "GiB", "the machine has")]
    [InlineData("train CONFIG --dry-run --ranks 1000000", "--ranks 1000000", "at most 131072")]
    [InlineData("eval --model MODEL --data DATA --set data.micro_batch=0", "data.micro_batch = 0", "at least 1")]
    [InlineData("eval --model MODEL --data DATA --set data.context=1e9", "data.context = 1e9", "whole number")]
    [InlineData("data prepare --input ROOT/train.jsonl --tokenizer ROOT/tokenizer --output ROOT/runs/data --threads 1000", "--threads 1000", "on this machine")]
    [InlineData("experiment induction --ranks 100000 --output ROOT/runs/e", "--ranks 100000", "at most")]
    [InlineData("eval --model ROOT/missing --data DATA", "ROOT/missing", "a run's name or folder")]
    [InlineData("eval --model MODEL --data ROOT/nowhere/*.parquet", "ROOT/nowhere")]
    [InlineData("eval --model MODEL --data DATA --set run.steps=1", "run.steps=1", "data.micro_batch", "data.context")]
    [InlineData("generate --model MODEL --prompt the --temperature -0.5", "--temperature -0.5", "--greedy")]
    [InlineData("model convert --model MODEL --output ROOT/train", "--output ROOT/train", "empty")]
    [InlineData("model convert --model MODEL --output ROOT/converted --naming gpt", "--naming gpt", "llama")]
    [InlineData("model convert --model MODEL --output ROOT/converted --dtype f8", "--dtype f8", "bf16")]
    [InlineData("model convert --model MODEL --output ROOT/converted --max-shard-size big", "--max-shard-size big", "5GiB")]
    [InlineData("model convert --model MODEL --output ROOT/converted --naming llama", "k_shift", "--vanilla")]
    [InlineData("model convert --model MODEL --output ROOT/converted --naming baichuan", "length 1", "logits")]
    [InlineData("generate --model MODEL --prompt the --top-p 1.5", "--top-p 1.5", "at most 1")]
    [InlineData("tokenizer train --input ROOT/train.jsonl --vocab-size 100 --output ROOT/runs/tokenizer", "--vocab-size 100", "257")]
    [InlineData("tokenizer train --input ROOT/train.jsonl --vocab-size 300 --output ROOT/runs/tokenizer --threads 0", "--threads 0", "at least 1")]
    [InlineData("data prepare --input ROOT/train.jsonl --tokenizer ROOT/tokenizer --output ROOT/runs/data --shard-tokens 0", "--shard-tokens 0", "at least 1")]
    [InlineData("data verify ROOT/nowhere", "ROOT/nowhere")]
    [InlineData("experiment induction --preset tiny --output ROOT/runs/e", "--preset tiny", "quick, paper")]
    [InlineData("experiment induction --variants kv,vk --output ROOT/runs/e", "--variants kv,vk", "kv,k,v")]
    [InlineData("experiment induction --widths 8,7 --output ROOT/runs/e", "--widths 7", "even")]
    [InlineData("experiment induction --ranks 0 --output ROOT/runs/e", "--ranks 0", "at least 1")]
    [InlineData("experiment compare --output ROOT/runs/e", "--data", "--config")]
    [InlineData("experiment compare --data DATA --output ROOT/runs/e", "--validation")]
    [InlineData("experiment compare --data ROOT/nowhere/*.parquet --validation DATA --output ROOT/runs/e", "ROOT/nowhere")]
    [InlineData("experiment compare --config CONFIG --seeds 0 --output ROOT/runs/e", "--seeds 0", "at least 1")]
    public void FaultIsNamedBeforeAnyWork(string arguments, params string[] expected)
    {
        var before = Snapshot();

        using var run = ProgramRun.Execute(ExitCode.Usage, [.. arguments.Split(' ').Select(Resolve)]);

        Assert.All(expected, part => Assert.Contains(Resolve(part), run.Error));
        Assert.DoesNotContain("   at ", run.Error);
        Assert.Equal("", run.Output);
        Assert.Equal(before, Snapshot());
    }

    [Fact]
    public void RanksThatDoNotDivideTheBatchAreRefusedOnce()
    {
        var before = Snapshot();

        var output = MpiRun.Execute(2, ProgramRun.KvShift, fixture.TrainArguments("uneven", "data.global_batch=5"), ExitCode.Usage);

        Assert.Contains("data.global_batch = 5", output);
        Assert.Contains("must be a multiple of the 2 data-parallel ranks", output);
        Assert.Contains("set 4 or 6", output);
        Assert.Single(output.Split('\n'), line => line.Contains("rule:", StringComparison.Ordinal));
        Assert.Equal(before, Snapshot());
    }

    private string Resolve(string text) => text.Replace("CONFIG", fixture.ConfigPath, StringComparison.Ordinal)
        .Replace("ROOT", fixture.PathOf(), StringComparison.Ordinal)
        .Replace("MODEL", fixture.ModelPath, StringComparison.Ordinal)
        .Replace("DATA", fixture.ValidationShard, StringComparison.Ordinal);

    private string[] Snapshot()
    {
        Assert.NotEmpty(fixture.OneRank.Records);
        return [.. new DirectoryInfo(fixture.RunsPath).GetFileSystemInfos("*", SearchOption.AllDirectories)
            .Select(entry => $"{entry.FullName} {entry.LastWriteTimeUtc.Ticks}").Order(StringComparer.Ordinal)];
    }
}
