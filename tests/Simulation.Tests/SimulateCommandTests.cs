using KvShiftScale.Core;

namespace KvShiftScale.Simulation.Tests;

/// <summary>The command line: what it prints, and what it refuses.</summary>
public sealed class SimulateCommandTests
{
    private static readonly Lock Streams = new();

    [Fact]
    public void RandomLayoutsDoNotStandStill()
    {
        var (code, output, error) = Run("--random", "40", "--seed", "5");
        Assert.Equal((ExitCode.Done, ""), (code, error));
        Assert.Contains("40 random layouts of up to", output, StringComparison.Ordinal);
        Assert.Contains("none stands still", output, StringComparison.Ordinal);
    }

    [Fact]
    public void AThousandRanksAreSimulated()
    {
        var path = Path.Combine(Directory.CreateTempSubdirectory("kvshift-simulate-").FullName, "run.yaml");
        try
        {
            File.WriteAllText(path,
                """
                run: { name: large, steps: 10 }
                precision: bf16
                model: { vocab_size: 32000, hidden_size: 1024, layers: 8, heads: 16, kv_heads: 4, ffn_size: 2816 }
                data: { train: [a], context: 2048, global_batch: 256, micro_batch: 1 }
                """);
            var (code, output, error) = Run(path, "--nodes", "128", "--layout", "tensor=4,pipeline=2,context=2", "--steps", "2");
            Assert.Equal((ExitCode.Done, ""), (code, error));
            Assert.StartsWith("1024 ranks: pipeline 2 x data 64 x context 2 x tensor 4", output, StringComparison.Ordinal);
            Assert.Contains("no order stands still", output, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(Path.GetDirectoryName(path)!, recursive: true);
        }
    }

    [Theory]
    [InlineData("found 0 configurations; wanted one")]
    [InlineData("--nodes", "--random", "2", "--nodes", "0")]
    [InlineData("found --nodes many; wanted a number", "--random", "2", "--nodes", "many")]
    [InlineData("wanted 1, 2, 4 or 8", "configs/none.yaml", "--scaling", "--gpus-per-node", "6")]
    [InlineData("with --scaling, whose layouts are the planner's", "configs/none.yaml", "--scaling", "--layout", "tensor=2")]
    [InlineData("--straggler-slowdown", "--random", "2", "--straggler-slowdown", "0.5")]
    [InlineData("--jitter", "--random", "2", "--jitter", "-1")]
    [InlineData("--stepz", "--stepz", "3")]
    [InlineData("nowhere.yaml", "nowhere.yaml")]
    [InlineData("unknown-gpu", "configs/none.yaml", "--gpu", "unknown-gpu")]
    public void BadInputIsRefused(string said, params string[] arguments)
    {
        var (code, _, error) = Run(arguments);
        Assert.Equal(ExitCode.Usage, code);
        Assert.Contains(said, error, StringComparison.Ordinal);
    }

    private static (int Code, string Output, string Error) Run(params string[] arguments)
    {
        lock (Streams)
        {
            var (output, error) = (Console.Out, Console.Error);
            using var written = new StringWriter();
            using var told = new StringWriter();
            try
            {
                Console.SetOut(written);
                Console.SetError(told);
                return (SimulateCommand.Run(arguments), written.ToString(), told.ToString());
            }
            finally
            {
                Console.SetOut(output);
                Console.SetError(error);
            }
        }
    }
}
