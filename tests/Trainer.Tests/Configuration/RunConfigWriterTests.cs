using KvShiftScale.Data.Configuration;
using KvShiftScale.Models.Configuration;
using KvShiftScale.Parallel.Optimization;
using KvShiftScale.Testing;
using KvShiftScale.Trainer.Configuration;

namespace KvShiftScale.Trainer.Tests.Configuration;

public sealed class RunConfigWriterTests
{
    [Theory]
    [InlineData("plain")]
    [InlineData("null")]
    [InlineData("true")]
    [InlineData("1e5")]
    [InlineData("")]
    [InlineData("- # : {x} & *y !z %a @b `c")]
    [InlineData(" spaces at both ends ")]
    [InlineData("two\nlines, a \"quote\", an 'apostrophe', a \\ and a \t")]
    [InlineData("snow ☃, emoji 😀")]
    public void ConfigurationReadsBackEqual(string text)
    {
        var config = new RunConfig
        {
            Run = new RunSection { Name = text, Steps = 7, Seed = long.MaxValue, Deterministic = true, Directory = text },
            Data = new DataConfig
            {
                Train = [new DataSource(text), new DataSource("b/*.parquet", 0.1), new DataSource(text, 1e-9)],
                Tokenizer = text,
            },
            Optimizer = new OptimizerConfig { Lr = 0.1 + 0.2, Epsilon = 1e-300, Decay = LearningRateDecay.Cosine },
            Precision = Precision.Fp64,
            Telemetry = new TelemetrySection { OtlpEndpoint = "http://localhost:4318", OtlpProtocol = OtlpProtocol.Grpc },
        };

        var back = RunConfigReader.Parse(RunConfigWriter.Write(config), "written.yaml", []);

        Assert.Equal(config.Data.Train, back.Data.Train);
        Assert.Equal(config.Data.Validation, back.Data.Validation);

        // Lists compare by reference in a record; they are equal by the two lines above.
        Assert.Equal(config, back with { Data = back.Data with { Train = config.Data.Train, Validation = config.Data.Validation } });
    }

    [Fact]
    public void TextIsWhatAPersonWouldWrite()
    {
        var text = RunConfigWriter.Write(new RunConfig
        {
            Run = new RunSection { Name = "tiny", Steps = 10 },
            Data = new DataConfig { Train = [new DataSource("a/*.parquet"), new DataSource("b", 0.5)] },
            Optimizer = new OptimizerConfig { Epsilon = 1e-8 },
        });

        Assert.StartsWith("run:\n  name: tiny\n  steps: 10\n", text);
        Assert.Contains("data:\n  train:\n    - a/*.parquet\n    - glob: b\n      weight: 0.5\n", text);
        Assert.Contains("  validation: []\n  tokenizer: null\n", text);
        Assert.Contains("\n  epsilon: 1.0e-08\n", text);
        Assert.Contains("\nprecision: fp32\n", text);
        Assert.EndsWith("\n", text);
        Assert.DoesNotContain("\r", text);
        Assert.DoesNotContain("resolved", text);
    }

    [Fact]
    public void SavedFileReadsBack()
    {
        using var folder = new TemporaryFolder();
        var path = folder.PathOf("config.yaml");
        RunConfigWriter.Save(new RunConfig { Run = new RunSection { Name = "a", Steps = 1 } }, path);
        RunConfigWriter.Save(new RunConfig { Run = new RunSection { Name = "b", Steps = 2 } }, path);

        Assert.Equal("b", RunConfigReader.Read(path, []).Run.Name);
        Assert.Equal([path], Directory.GetFiles(folder.Path));
    }
}
