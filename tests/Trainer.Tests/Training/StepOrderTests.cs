using System.Globalization;
using KvShiftScale.Checkpoints.Saving;
using KvShiftScale.Core.Faults;
using KvShiftScale.Data.Configuration;
using KvShiftScale.Data.Shards;
using KvShiftScale.Models.Configuration;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Parallel.Optimization;
using KvShiftScale.Testing;
using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.Session;
using KvShiftScale.Trainer.Signals;
using KvShiftScale.Trainer.Telemetry;
using KvShiftScale.Trainer.Training;

namespace KvShiftScale.Trainer.Tests.Training;

/// <summary>
/// What happens after a step happens in one order: what went wrong is told before it is logged, a line waits for what is measured after its step,
/// and what is saved knows all of it.
/// </summary>
public sealed class StepOrderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose()
    {
        InjectedFaults.Load(null, rank: 0);
        _folder.Dispose();
    }

    [Fact]
    public void WhatFollowsAStepHasOneOrder()
    {
        // Every step is logged; validation every 3, a probe every 6, a save every 4; a signal asks for a save in step 5, and the numbers of step 7 are bad.
        Assert.Equal(
            [
                "say step 0",
                "step 1", "log 1 to 1",
                "step 2", "log 2 to 2",
                "step 3", "log 3 with validation to 3",
                "step 4", "log 4 to 4", "saved", "stood still",
                "step 5", "log 5 to 5", "saved", "stood still", "say saved after",
                "step 6", "log 6 with validation and probe to 6",
                "step 7", "warn step 7", "log 7 skipped to 7",
                "step 8", "log 8 to 8", "saved", "stood still",
                "step 9", "log 9 with validation and probe to 9", "saved", "stood still", "say done: validation",
            ],
            Train("save@step:5;linger@step:5;poison@batch:7", steps: 9, logEvery: 1));
    }

    [Fact]
    public void ASignalToStopPutsOffWhatIsMeasured()
    {
        Assert.Equal(
            [
                "say step 0",
                "step 1", "step 2",
                // Its validation is due, and waits in the checkpoint.
                "step 3", "saved", "stood still", "say stopped by",
            ],
            Train("term@step:3;linger@step:3", steps: 9, logEvery: 5));
        Assert.Equal(
            [
                // Made first, with the parameters of step 3.
                "log 3 with validation to 3",
                "step 4", "saved", "stood still",
                "step 5", "log 5 to 5",
                "step 6", "log 6 with validation and probe to 6", "saved", "stood still", "say done: validation",
            ],
            Train(null, steps: 6, logEvery: 5, stepsBefore: 3));
    }

    [Fact]
    public void ASaveBesideTrainingIsHeardOfAfterAStep()
    {
        // The save of step 4 has a second in each of three steps to be written and to become a checkpoint; who waited for it with the next save would
        // hear of it after step 8.
        var told = Train("linger@step:5;linger@step:6;linger@step:7", steps: 8, logEvery: 1, beside: true);

        Assert.Equal(["step 4", "log 4 to 4", "stood still", "step 5"], told.SkipWhile(what => what != "step 4").Take(4));
        Assert.InRange(told.IndexOf("saved"), told.IndexOf("step 5"), told.IndexOf("step 8"));
    }

    [Fact]
    public void TheOrderHasNames()
    {
        InjectedFaults.Load(null, rank: 0);
        var config = Configuration(steps: 1, logEvery: 1, beside: false);
        using var ranks = ParallelContext.Single();
        using var stop = new StopSignal(_ => { });
        using var session = TrainingSession.Create(config, ranks);
        var run = new LaunchedRun(config, ranks, new EventList(config.Run.Folder, 0), stop);
        var data = RunData.Open(run).Count(run);
        using var saver = new CheckpointSaver(run.Folder.Checkpoints, session.Model, session.Optimizer, ranks, SavedRun.SettingsOf(config), run.Reporter);

        var loop = new TrainingLoop(run, session, data, saver, new TrainingState { Step = 0, Tokens = 0, Loader = null });

        Assert.Equal(
            [
                "ranks tell each other of signals and saves",
                "bad numbers are told",
                "the step is logged",
                "too many skips end the run",
                "injected flips",
                "replicas are compared",
                "a signal's save",
                "validation and probe",
                "the save that is due",
                "the report",
            ],
            loop.Observers.Select(observer => observer.Name));
    }

    // The events of a launch, from the first step or what comes before it.
    private List<string> Train(string? faults, int steps, int logEvery, int stepsBefore = 0, bool beside = false)
    {
        InjectedFaults.Load(faults, rank: 0);
        var config = Configuration(steps, logEvery, beside);
        using var ranks = ParallelContext.Single();
        using var stop = new StopSignal(_ => { });
        var events = new EventList(config.Run.Folder, stepsBefore);
        new TrainingRun(new LaunchedRun(config, ranks, events, stop), 1, new ResumptionRules { AcceptChangedSchedule = true }).Execute();
        // From behind what is said of the start.
        return [.. events.Told.SkipWhile(told => told.StartsWith("say run.steps", StringComparison.Ordinal) || told.StartsWith("say order:", StringComparison.Ordinal))];
    }

    private RunConfig Configuration(int steps, int logEvery, bool beside)
    {
        var path = _folder.PathOf("tokens.parquet");
        if (!File.Exists(path))
        {
            Write(path);
        }

        return new RunConfig
        {
            Run = new RunSection
            {
                Name = "order",
                Directory = _folder.PathOf("runs"),
                Steps = steps,
                LogEvery = logEvery,
                ValidateEvery = 3,
                ProbeEvery = 6,
                CheckpointEvery = 4,
                AsyncSave = beside,
            },
            Model = new ModelConfig { VocabSize = 64, HiddenSize = 16, Layers = 1, Heads = 2, FfnSize = 32 },
            Data = new DataConfig { Train = [new DataSource(path)], Validation = [new DataSource(path)], Context = 16, GlobalBatch = 2, MicroBatch = 2 },
            Optimizer = new OptimizerConfig { Lr = 1e-3, WarmupSteps = 1 },
        };
    }

    private static void Write(string path)
    {
        using var writer = new TokenShardWriter(path, new ShardWriterOptions { VocabularySize = 64, TokenizerHash = "none" });
        for (var document = 0; document < 40; document++)
        {
            writer.Append([.. Enumerable.Range(0, 17).Select(i => (document * 31 + i * i) % 64)]);
        }

        writer.Complete();
    }

    /// <summary>What a run has told, in order, and with each line of the log where <c>metrics.jsonl</c> had come to.</summary>
    private sealed class EventList(string folder, int stepsBefore) : IRunReporter
    {
        public List<string> Told { get; } = [];

        private int _step = stepsBefore;

        public void Report(StepRecord record)
        {
            var logged = MetricsLog.Read(Path.Combine(folder, "metrics.jsonl"))[^1].Step;
            var measured = (record.ValidationLoss, record.Probe) switch
            {
                (not null, not null) => " with validation and probe",
                (not null, null) => " with validation",
                (null, not null) => " with probe",
                _ => "",
            };
            Told.Add(string.Create(CultureInfo.InvariantCulture, $"log {record.Step}{(record.Skipped ? " skipped" : "")}{measured} to {logged}"));
        }

        public void Count(StepTally step) => Told.Add($"step {++_step}");

        public void Count(SaveTally save) => Told.Add(save.HasFailed ? "save fails" : save.Duration is null ? "stood still" : "saved");

        public void Keep(string log)
        {
        }

        public void Say(string sentence)
        {
            // Of a thread of its own, at once.
            if (!sentence.StartsWith("a signal to stop has come", StringComparison.Ordinal))
            {
                Told.Add("say " + Beginning(sentence));
            }
        }

        public void Warn(string sentence) => Told.Add("warn " + Beginning(sentence));

        private static string Beginning(string sentence) => string.Join(' ', sentence.Split(' ').Take(2));
    }
}
