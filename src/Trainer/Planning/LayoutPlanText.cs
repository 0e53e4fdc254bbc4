using KvShiftScale.Core.Configuration;
using KvShiftScale.Core.Text;
using KvShiftScale.Trainer.Configuration;
using Spectre.Console;

namespace KvShiftScale.Trainer.Planning;

/// <summary>Plans of layouts as text for a person.</summary>
internal static class LayoutPlanText
{
    /// <summary>The fastest layouts as a table, and why others fall out.</summary>
    /// <param name="search">All layouts.</param>
    /// <param name="cluster">Where the run would be.</param>
    /// <param name="top">How many to show.</param>
    /// <param name="console">Where to.</param>
    public static void Write(LayoutSearch search, Cluster cluster, int top, IAnsiConsole console)
    {
        console.WriteLine(Quantity.Format(
            $"{search.Layouts.Count:N0} layouts of {cluster.Ranks:N0} ranks fit, {cluster.Nodes:N0} nodes of {cluster.RanksPerNode:N0}; the fastest, reckoned and not tried:"));
        var table = Columns(["data", "tensor", "sequence", "context", "pipeline", "virtual", "micro", "optimizer", "recompute", "memory", "step", "tokens/s", "MFU", "days"]);
        foreach (var plan in search.Layouts.Take(top))
        {
            var parallel = plan.Plan.Config.Parallel;
            table.AddRow(Quantity.Whole(plan.Plan.DataRanks), Quantity.Whole(parallel.Tensor), parallel.IsSequenceParallel ? "yes" : "", Quantity.Whole(parallel.Context),
                Quantity.Whole(parallel.Pipeline), parallel.VirtualStages > 1 ? Quantity.Whole(parallel.VirtualStages) : "", Quantity.Whole(plan.Plan.Config.Data.MicroBatch), Name(parallel.OptimizerSharding), Name(parallel.Recompute),
                Quantity.Bytes(plan.MemoryBytes), Seconds(plan.StepSeconds), Quantity.Short(plan.TokensPerSecond), Quantity.Percent(plan.Mfu), Quantity.Format($"{plan.Days:0.0}"));
        }

        console.Write(table);
        if (search.Layouts.FirstOrDefault() is { } first)
        {
            console.WriteLine(Quantity.Format($"a checkpoint: {Quantity.Bytes(first.CheckpointBytes)}, written by all nodes in {Quantity.Duration(first.CheckpointSeconds)}"));
            console.WriteLine($"how each number comes about: --explain {KeysOf(first.Plan.Config)}");
        }

        WriteLeftOut("do not fit into memory, by their largest part", search.TooLarge, console);
        WriteLeftOut("are refused by the rules of a launch, by the key of the rule", search.Refused, console);
    }

    /// <summary>Every term of one layout.</summary>
    public static void Explain(LayoutPlan plan, Cluster cluster, IAnsiConsole console)
    {
        console.WriteLine(Quantity.Format($"{KeysOf(plan.Plan.Config)} on {cluster.Ranks:N0} ranks, data {plan.Plan.DataRanks:N0}: {plan.Plan.MicroSteps:N0} micro-batches a step"));
        console.WriteLine();
        console.WriteLine(Quantity.Format(
            $"memory of a rank at its peak (stage {plan.MemoryStage} of {plan.Plan.Config.Parallel.Pipeline}): {Quantity.Bytes(plan.MemoryBytes)} of {Quantity.Bytes(cluster.Hardware.MemoryBytes)}{(plan.MemoryBytes > cluster.Hardware.MemoryBytes ? ", too much" : "")}"));
        WriteTerms(plan.Memory, value => Quantity.Bytes(value), console);
        console.WriteLine();
        console.WriteLine(Quantity.Format(
            $"time of a step: {Seconds(plan.StepSeconds)}, {Quantity.Short(plan.TokensPerSecond)} tokens/s, MFU {plan.Mfu:0.0 %}, {plan.Days:0.0} days"));
        WriteTerms(plan.Time, Seconds, console);
        console.WriteLine();
        console.WriteLine(Quantity.Format(
            $"a checkpoint: {Quantity.Bytes(plan.CheckpointBytes)}, written by {cluster.Nodes:N0} nodes of {Quantity.Bytes(cluster.Hardware.DiskBytesPerSecond)}/s in {Quantity.Duration(plan.CheckpointSeconds)}"));
    }

    /// <summary>What <c>--explain</c> takes as settings of the configuration: keys of the section parallel, and micro_batch.</summary>
    public static IEnumerable<string> SettingsOf(string? layout)
        => (layout ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
            .Select(setting => setting.StartsWith("micro_batch=", StringComparison.Ordinal) ? $"data.{setting}" : $"parallel.{setting}");

    /// <summary>A layout as <c>--explain</c> takes it.</summary>
    public static string KeysOf(RunConfig config)
    {
        var parallel = config.Parallel;
        return string.Join(',', [
            Quantity.Format($"tensor={parallel.Tensor}"), .. parallel.Tensor > 1 ? [$"sequence={(parallel.IsSequenceParallel ? "true" : "false")}"] : Array.Empty<string>(),
            Quantity.Format($"context={parallel.Context}"), Quantity.Format($"pipeline={parallel.Pipeline}"),
            .. parallel.VirtualStages > 1 ? [Quantity.Format($"virtual_stages={parallel.VirtualStages}")] : Array.Empty<string>(), Quantity.Format($"micro_batch={config.Data.MicroBatch}"),
            $"optimizer_sharding={Name(parallel.OptimizerSharding)}", $"recompute={Name(parallel.Recompute)}",
        ]);
    }

    private static void WriteTerms(IReadOnlyList<PlanTerm> terms, Func<double, string> show, IAnsiConsole console)
    {
        var table = new Table().Border(TableBorder.None).HideHeaders().AddColumn("").AddColumn(new TableColumn("").RightAligned()).AddColumn("");
        foreach (var term in terms.Where(term => term.Value != 0))
        {
            table.AddRow(new Text($"  {term.Name}"), new Text(show(term.Value)), new Text(Quantity.Format(term.Formula)));
        }

        console.Write(table);
    }

    private static void WriteLeftOut(string what, IReadOnlyList<LeftOut> left, IAnsiConsole console)
    {
        if (left.Count == 0)
        {
            return;
        }

        console.WriteLine();
        console.WriteLine(Quantity.Format($"{left.Sum(reason => reason.Count):N0} {what}:"));
        foreach (var (reason, example, count) in left)
        {
            console.WriteLine(Quantity.Format($"  {count,8:N0}  {reason}: {example}"));
        }
    }

    private static Table Columns(string[] names)
    {
        var table = new Table().Border(TableBorder.None);
        foreach (var name in names)
        {
            table.AddColumn(new TableColumn(name).NoWrap().RightAligned().PadRight(1));
        }

        return table;
    }

    private static string Seconds(double seconds) => seconds < 1 ? Quantity.Format($"{seconds * 1e3:0.00} ms") : Quantity.Format($"{seconds:0.00} s");

    private static string Name<T>(T value) where T : struct, Enum => ConfigKeys.NameOf(value.ToString());
}
