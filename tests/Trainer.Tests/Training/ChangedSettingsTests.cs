using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.Training;

namespace KvShiftScale.Trainer.Tests.Training;

/// <summary>What is said, and what is refused, of settings that are others than when a checkpoint was saved.</summary>
public sealed class ChangedSettingsTests
{
    private const string Begun =
        """
        run: { name: r, steps: 100 }
        data: { train: [a/*.parquet], validation: [b/*.parquet] }
        optimizer: { lr: 1.0e-3, warmup_steps: 10, final_lr_fraction: 0.1 }
        """;

    // Settings of the run, settings of the launch that goes on after so many steps, and what is said.
    [Theory]
    [InlineData("optimizer.decay=cosine", "run.steps=200", 100, "run.steps was 100 and is 200", "step 101 is 5.79741e-04 where it was to be 1.0e-04")]
    [InlineData("optimizer.decay=cosine", "run.steps=200", 50, "run.steps was 100 and is 200", "the learning rate of step 51 is")]
    [InlineData("optimizer.decay=cosine", "run.steps=60", 50, "run.steps was 100 and is 60", "the learning rate of step 51 is")]
    [InlineData("optimizer.decay=linear", "run.steps=200", 100, "step 101 is 5.68947e-04 where it was to be 1.0e-04")]
    [InlineData("optimizer.decay=cosine", "optimizer.decay=linear", 20, "optimizer.decay was cosine and is linear")]
    [InlineData("optimizer.decay=cosine", "optimizer.final_lr_fraction=0", 50, "optimizer.final_lr_fraction was 0.1 and is 0")]
    [InlineData("", "optimizer.lr=2e-3", 50, "optimizer.lr was 0.001 and is 0.002", "step 51 is 2.0e-03 where it was to be 1.0e-03")]
    [InlineData("", "optimizer.warmup_steps=20", 5, "optimizer.warmup_steps was 10 and is 20", "step 6 is 3.0e-04 where it was to be 6.0e-04")]
    [InlineData("optimizer.decay=wsd;optimizer.decay_steps=20", "run.steps=200", 90, "run.steps was 100 and is 200", "step 91 is 1.0e-03 where it was to be 5.05e-04")]
    [InlineData("optimizer.decay=wsd", "optimizer.decay_steps=50", 60, "optimizer.decay_steps was 0 and is 50")]
    [InlineData("", "optimizer.decay=cosine;optimizer.lr=5e-4", 50, "optimizer.lr was 0.001 and is 0.0005, optimizer.decay was constant and is cosine")]
    public void AJumpOfTheLearningRateIsAFaultWithOldAndNew(string then, string now, long step, params string[] said)
    {
        var changed = Changed(then, now, step);

        var fault = changed.FaultOf("runs/r/checkpoints/x");

        Assert.NotNull(fault);
        Assert.All(said, part => Assert.Contains(part, fault.Rule, StringComparison.Ordinal));
        Assert.Contains("runs/r/checkpoints/x", fault.Rule, StringComparison.Ordinal);
        Assert.Contains("--accept-changed-schedule", fault.Remedy, StringComparison.Ordinal);
        // What is said where it is accepted.
        var (sentence, isWarning) = changed.Sentences().First();
        Assert.True(isWarning);
        Assert.All(said, part => Assert.Contains(part, sentence, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("", "run.steps=200", 100, "run.steps was 100 and is 200; the schedule of the learning rate goes on as it was, with 1.0e-03 at step 101")]
    [InlineData("", "optimizer.warmup_steps=5", 50, "optimizer.warmup_steps was 10 and is 5; the schedule of the learning rate goes on as it was")]
    [InlineData("", "optimizer.final_lr_fraction=0.5", 50, "optimizer.final_lr_fraction was 0.1 and is 0.5; the schedule")]
    [InlineData("optimizer.decay=cosine", "run.steps=200", 5, "run.steps was 100 and is 200; the schedule of the learning rate goes on as it was, with 6.0e-04 at step 6")]
    [InlineData("optimizer.decay=wsd;optimizer.decay_steps=20", "run.steps=200", 70, "run.steps was 100 and is 200; the schedule of the learning rate goes on as it was, with 1.0e-03 at step 71")]
    [InlineData("", "optimizer.decay=wsd", 50, "optimizer.decay was constant and is wsd; the schedule")]
    [InlineData("", "optimizer.weight_decay=0.2", 50, "optimizer.weight_decay was 0.1 and is 0.2, from step 51 on")]
    [InlineData("", "optimizer.beta1=0.8;optimizer.beta2=0.99", 50, "optimizer.beta1 was 0.9 and is 0.8, optimizer.beta2 was 0.95 and is 0.99, from step 51 on")]
    [InlineData("", "optimizer.clip_norm=0", 50, "optimizer.clip_norm was 1 and is 0, from step 51 on")]
    [InlineData("", "optimizer.epsilon=1e-6", 50, "optimizer.epsilon was")]
    [InlineData("", "run.spike_rule=z_score", 50, "run.spike_rule was none and is z_score, from step 51 on")]
    [InlineData("", "precision=bf16", 50, "precision was fp32 and is bf16, from step 51 on")]
    [InlineData("", "data.validation=[c/*.parquet]", 50, "data.validation was [b/*.parquet] and is [c/*.parquet], from step 51 on")]
    public void WhatBreaksNoCurveIsSaidAndGoesOn(string then, string now, long step, string said)
    {
        var changed = Changed(then, now, step);

        Assert.Null(changed.FaultOf("x"));
        var (sentence, isWarning) = Assert.Single(changed.Sentences());
        Assert.StartsWith(said, sentence, StringComparison.Ordinal);
        Assert.False(isWarning);
    }

    [Theory]
    [InlineData("run.name=s")]
    [InlineData("run.log_every=1")]
    [InlineData("run.checkpoint_every=7")]
    [InlineData("parallel.tensor=2")]
    [InlineData("data.micro_batch=1")]
    [InlineData("telemetry.otlp_endpoint=http://localhost:4318")]
    public void WhatTeachesNothingIsNotMentioned(string now) => Assert.Empty(Changed("optimizer.decay=cosine", now, 50).Sentences());

    private static ChangedSettings Changed(string then, string now, long step)
    {
        var before = Settings(then);
        return new ChangedSettings(RunConfigReader.Parse(Begun, "then", before), RunConfigReader.Parse(Begun, "now", [.. before, .. Settings(now)]), step);
    }

    private static List<ConfigOverride> Settings(string text) => [.. text.Split(';', StringSplitOptions.RemoveEmptyEntries).Select(ConfigOverride.Parse)];
}
