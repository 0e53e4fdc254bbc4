using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.Planning;

namespace KvShiftScale.Trainer.Tests.Planning;

/// <summary>The first configuration for given data.</summary>
public sealed class StarterConfigTests
{
    [Theory]
    // Twenty tokens a parameter: 369 thousand parameters want 7.4 million.
    [InlineData(1_000, 128)]
    [InlineData(50_000_000, 128)]
    [InlineData(60_000_000, 256)]
    [InlineData(10_000_000_000_000, 512)]
    public void TheSizeFollowsTheData(long tokens, int hidden)
        => Assert.Equal(hidden, StarterConfig.For(tokens, mostParameters: 40_000_000).Shape.HiddenSize);

    [Theory]
    [InlineData(1, 128)]
    [InlineData(3_000_000, 256)]
    [InlineData(100_000_000, 768)]
    [InlineData(1_500_000_000, 2048)]
    [InlineData(100_000_000_000, 2048)]
    public void TheNearestSizeIsTaken(long parameters, int hidden) => Assert.Equal(hidden, StarterConfig.Nearest(parameters).Shape.HiddenSize);

    [Theory]
    [InlineData(1)]
    [InlineData(3_000_000)]
    [InlineData(10_000_000)]
    [InlineData(25_000_000)]
    [InlineData(100_000_000)]
    [InlineData(300_000_000)]
    [InlineData(1_500_000_000)]
    public void WhatIsWrittenCanBeTrainedOnAnyPowerOfTwoOfRanksThatTheBatchHas(long parameters)
    {
        var starter = StarterConfig.Nearest(parameters);
        var data = new StarterData("it's/train # 1", "v", null, 4096, Tokens: 200_000_000);

        var config = RunConfigReader.Parse(starter.Yaml("books", data), "books.yaml", []);

        RunConfigRules.Check(config, ranks: 1);
        RunConfigRules.Check(config, starter.GlobalBatch / starter.MicroBatch);
        Assert.Equal("it's/train # 1", Assert.Single(config.Data.Train).Glob);
        Assert.Null(config.Data.Tokenizer);
        Assert.Equal(4096, config.Model.VocabSize);
        Assert.Equal(starter.LearningRate, config.Optimizer.Lr, 1e-9);
        // All tokens are seen, and less than a step more.
        Assert.InRange((long)config.Run.Steps * config.Data.GlobalBatch * config.Data.Context - data.Tokens, 0, starter.BatchTokens);
    }
}
