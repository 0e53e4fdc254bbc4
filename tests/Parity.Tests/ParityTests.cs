using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using KvShiftScale.Testing;

namespace KvShiftScale.Parity.Tests;

/// <summary>Training in every layout against training on one rank, by tests/ParityProgram under mpirun.</summary>
public sealed partial class ParityTests
{
    // A quarter of a minute on two free cores; ranks that wait for each other take much longer where other work holds the cores.
    private static readonly TimeSpan Timeout = TimeSpan.FromMinutes(5);

    private const string Program = "KvShiftScale.ParityProgram.dll";

    // Data x context x tensor x sequence x optimizer sharding x recompute x accumulation x canonical sums, as far as they fit, and pipelines.
    public static TheoryData<int, string, int> Matrices => new() { { 1, "fp64", 19 }, { 2, "fp64", 87 }, { 3, "fp64", 67 }, { 4, "fp64", 195 }, { 2, "fp32", 87 }, { 2, "bf16", 87 } };

    [Theory]
    [MemberData(nameof(Matrices))]
    public void Every_layout_trains_as_one_rank_does(int ranks, string precision, int cases)
        => Assert.Contains($"{cases} cases, 0 failed", MpiRun.Execute(ranks, Program, ["matrix", precision], timeout: Timeout), StringComparison.Ordinal);

    // libtorch's operations in every layout, against one rank with the kernels of this machine.
    [Theory]
    [MemberData(nameof(Matrices))]
    public void Composed_kernels_train_in_every_layout_as_one_rank_does(int ranks, string precision, int cases)
        => Assert.Contains($"composed, {cases} cases, 0 failed", MpiRun.Execute(ranks, Program, ["matrix", precision, "--composed"], timeout: Timeout), StringComparison.Ordinal);

    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    public void Random_shapes_in_random_layouts_train_as_one_rank_does(int ranks)
        => Assert.Contains("10 cases, 0 failed", MpiRun.Execute(ranks, Program, ["sweep", "10", "1"], timeout: Timeout), StringComparison.Ordinal);

    // What docs/simulation.md calls modelled, held against real ledgers.
    [Theory]
    [InlineData(2, 43)]
    [InlineData(4, 24)]
    public void Simulated_ranks_call_what_ranks_in_training_call(int ranks, int layouts)
        => Assert.Contains($"{layouts} layouts, 0 differ", MpiRun.Execute(ranks, Program, ["ledger"], timeout: Timeout), StringComparison.Ordinal);

    [Fact]
    public void Steps_of_a_pipeline_leave_no_tensor_behind()
        => Assert.Equal(2, MpiRun.Execute(2, Program, ["pipeline-tensors"], timeout: Timeout).Split("the same number of tensors").Length - 1);

    [Fact]
    public void Canonical_sums_give_the_same_bits_on_1_2_and_4_ranks_and_with_2_threads()
    {
        string[] hashes = [Canonical(Bits(1)), Canonical(Bits(1, threads: 2)), Canonical(Bits(2)), Canonical(Bits(4))];
        Assert.Single(hashes.Distinct());
    }

    // Two addends of a sum over two ranks have one result, whichever comes first; so the tensor-parallel and the context-parallel sums
    // have none but one, too, and the data-parallel ones are canonical.
    [Theory]
    [InlineData(2, 1, 1)]
    [InlineData(1, 2, 1)]
    [InlineData(1, 1, 2)]
    public void At_a_fixed_tensor_context_or_pipeline_degree_runs_and_data_parallel_ranks_leave_the_same_bits(int tensor, int context, int pipeline)
    {
        var (first, again) = (Bits(2, 1, tensor, context, pipeline), Bits(2, 1, tensor, context, pipeline));
        Assert.Equal(first, again);
        Assert.Equal(Canonical(first), Canonical(Bits(4, 1, tensor, context, pipeline)));
    }

    [Fact]
    public void Four_ranks_hold_a_quarter_of_the_optimizer_each()
    {
        var lines = OptimizerBytes().Matches(MpiRun.Execute(4, Program, ["optimizer-memory"], timeout: Timeout));
        Assert.Equal(4, lines.Count);
        foreach (Match line in lines)
        {
            // float32 master and two moments.
            var formula = 12 * Number(line, "parameters") / 4;
            Assert.InRange(Number(line, "state"), 0.95 * formula, 1.05 * formula);
            // What the system gave the process in the meantime: less by what the reduction before it left free (up to 8 MiB, the part of a
            // bucket), more by what the runtime takes for itself.
            Assert.InRange(Number(line, "resident"), 0.75 * formula, 1.2 * formula);
        }

        static double Number(Match line, string group) => double.Parse(line.Groups[group].Value, CultureInfo.InvariantCulture);
    }

    [Fact]
    public void Ranks_keep_their_part_of_the_gradients_only()
    {
        var (first, second) = (Measure("zero1"), Measure("zero2"));
        Assert.Equal((4, 4), (first.Length, second.Length));
        // Buckets have room left where the next matrix did not fit.
        Assert.All(first, line => Assert.InRange(Number(line, "gradients"), 4 * Number(line, "parameters"), 5.2 * Number(line, "parameters")));
        Assert.All(second, line => Assert.InRange(Number(line, "gradients"), Number(line, "parameters"), 1.01 * Number(line, "parameters")));
        // Three quarters of the gradients less, but for a bucket that backward writes to, which is an embedding of 16 MiB at most; and the runtime's noise.
        var saved = first.Average(line => Number(line, "resident")) - second.Average(line => Number(line, "resident"));
        var gradients = 4 * Number(first[0], "parameters");
        Assert.InRange(saved, 0.75 * gradients - (40 << 20), 0.75 * gradients + (20 << 20));

        static Match[] Measure(string sharding) => GradientBytes().Matches(MpiRun.Execute(4, Program, ["gradient-memory", sharding], timeout: Timeout)).ToArray();
        static double Number(Match line, string group) => double.Parse(line.Groups[group].Value, CultureInfo.InvariantCulture);
    }

    // The edits themselves are tried by the script without arguments, which takes minutes.
    [Fact]
    public async Task Every_wrong_edit_of_the_mutation_check_applies_to_the_sources()
    {
        var root = new DirectoryInfo(AppContext.BaseDirectory);
        while (root is not null && !File.Exists(Path.Combine(root.FullName, "KvShiftScale.sln")))
        {
            root = root.Parent;
        }

        Assert.NotNull(root);
        var start = new ProcessStartInfo(Path.Combine(root.FullName, "launch", "mutation-check"), ["--list"]) { RedirectStandardOutput = true, RedirectStandardError = true };
        using var script = Process.Start(start)!;
        var errors = script.StandardError.ReadToEndAsync();
        var output = await script.StandardOutput.ReadToEndAsync();
        await script.WaitForExitAsync();
        Assert.True(script.ExitCode == 0, await errors);
        Assert.InRange(int.Parse(Edits().Match(output).Groups[1].Value, CultureInfo.InvariantCulture), 12, int.MaxValue);
    }

    // Canonical sums with the optimizer whole and shared among the ranks, and sums in MPI's order.
    private static string[] Bits(int ranks, int threads = 1, int tensor = 1, int context = 1, int pipeline = 1)
    {
        var output = MpiRun.Execute(ranks, Program, ["deterministic", $"{threads}", $"{tensor}", $"{context}", $"{pipeline}"], timeout: Timeout);
        string[] hashes = [.. Sha256().Matches(output).Select(match => match.Value)];
        Assert.Equal(3, hashes.Length);
        return hashes;
    }

    // Sharing the optimizer does not change a bit.
    private static string Canonical(string[] bits) => Assert.Single(bits[..2].Distinct());

    [GeneratedRegex("sha256 [0-9a-f ]{64,}")]
    private static partial Regex Sha256();

    [GeneratedRegex("optimizer bytes (?<state>[0-9]+), resident bytes (?<resident>[0-9]+), parameters (?<parameters>[0-9]+)")]
    private static partial Regex OptimizerBytes();

    [GeneratedRegex("gradient bytes (?<gradients>[0-9]+), most resident bytes (?<resident>[0-9]+), parameters (?<parameters>[0-9]+)")]
    private static partial Regex GradientBytes();

    [GeneratedRegex("([0-9]+) edits, all of which apply")]
    private static partial Regex Edits();
}
