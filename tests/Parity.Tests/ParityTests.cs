using System.Text.RegularExpressions;
using KvShiftScale.Testing;

namespace KvShiftScale.Parity.Tests;

/// <summary>Training in every layout against training on one rank, by tests/ParityProgram under mpirun.</summary>
public sealed partial class ParityTests
{
    // A quarter of a minute on two free cores; ranks that wait for each other take much longer where other work holds the cores.
    private static readonly TimeSpan s_timeout = TimeSpan.FromMinutes(5);

    private const string Program = "KvShiftScale.ParityProgram.dll";

    // Data x context x tensor x sequence x optimizer sharding x recompute x accumulation, as far as they fit.
    [Theory]
    [InlineData(1, "fp64", 12)]
    [InlineData(2, "fp64", 48)]
    [InlineData(3, "fp64", 48)]
    [InlineData(4, "fp64", 102)]
    [InlineData(2, "fp32", 48)]
    [InlineData(2, "bf16", 48)]
    public void Every_layout_trains_as_one_rank_does(int ranks, string precision, int cases)
        => Assert.Contains($"{cases} cases, 0 failed", MpiRun.Execute(ranks, Program, ["matrix", precision], timeout: s_timeout), StringComparison.Ordinal);

    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    public void Random_shapes_in_random_layouts_train_as_one_rank_does(int ranks)
        => Assert.Contains("10 cases, 0 failed", MpiRun.Execute(ranks, Program, ["sweep", "10", "1"], timeout: s_timeout), StringComparison.Ordinal);

    [Fact]
    public void Canonical_sums_give_the_same_bits_on_1_2_and_4_ranks_and_with_2_threads()
    {
        string[] hashes = [Hash(1, 1), Hash(1, 2), Hash(2, 1), Hash(4, 1)];
        Assert.Single(hashes.Distinct());
    }

    // Two lines, with the optimizer whole and shared among the ranks: equal too.
    private static string Hash(int ranks, int threads)
    {
        var output = MpiRun.Execute(ranks, Program, ["deterministic", $"{threads}"], timeout: s_timeout);
        var hashes = Sha256().Matches(output).Select(match => match.Value).ToArray();
        Assert.Equal(2, hashes.Length);
        return Assert.Single(hashes.Distinct());
    }

    [GeneratedRegex("sha256 [0-9a-f]{64}")]
    private static partial Regex Sha256();
}
