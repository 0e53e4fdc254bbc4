using KvShiftScale.Core.Configuration;
using KvShiftScale.Core.Text;
using KvShiftScale.Models.Configuration;
using KvShiftScale.Parallel.Optimization;
using Spectre.Console;

namespace KvShiftScale.Trainer.Planning;

/// <summary>A <see cref="RunPlan"/> as text for a person.</summary>
internal sealed class RunPlanText(RunPlan plan, IAnsiConsole console)
{
    /// <summary>Writes everything.</summary>
    public void Write()
    {
        console.WriteLine(Quantity.Format(
            $"{plan.Config.Run.Name}: dry run on {plan.Ranks} rank(s); nothing is read, trained or written"));
        WriteModel();
        WriteTensors();
        WriteParts();
        WriteMemory();
        WriteRun();
    }

    private void WriteModel()
    {
        var model = plan.Config.Model;
        var facts = Section("model");
        facts.AddRow("preset", model.Preset ?? "none");
        foreach (var layers in Enumerable.Range(0, model.Layers).GroupBy(model.Attention))
        {
            var (heads, kvHeads, headSize, window) = layers.Key;
            var sliding = window == 0 ? "" : Quantity.Format($", window {window:N0}");
            facts.AddRow(window > 0 ? "sliding layers" : model.SlidingWindow > 0 ? "global layers" : "layers", Quantity.Format(
                $"{layers.Count()}: {heads} query heads, {kvHeads} kv heads, head size {headSize}{sliding}"));
        }
        facts.AddRow("hidden, ffn size", Quantity.Format($"{model.HiddenSize:N0}, {model.FfnSize:N0}"));
        facts.AddRow("vocabulary", Quantity.Format($"{model.VocabSize:N0}, embeddings {(model.TieEmbeddings ? "tied" : "untied")}"));
        facts.AddRow("KV shift", $"{ConfigKeys.NameOf(model.KvShift.ToString())}, start {ConfigKeys.NameOf(model.KvShiftInit.ToString())}");
        facts.AddRow("rotary base", Quantity.Format($"{model.RopeBase:N0}"));
        console.Write(facts);
    }

    private void WriteTensors()
    {
        var table = Columns("tensors", ["tensor", "layers"], ["count", "shape", "parameters"]);
        foreach (var group in plan.Tensors())
        {
            var shape = string.Join(" x ", group.Shape.Select(extent => Quantity.Whole(extent)));
            table.AddRow(group.Name, group.Layers, Quantity.Whole(group.Count), shape, Quantity.Whole(group.Parameters));
        }
        console.Write(table);
    }

    private void WriteParts()
    {
        var counts = plan.Parameters;
        var table = Columns("parameters", ["part"], ["parameters", "", "share"]);
        Row("embedding", counts.Embedding);
        Row("attention", counts.AttentionMatrices);
        Row("shift scalars", counts.ShiftScalars);
        Row("ffn", counts.FeedForward);
        Row("norms", counts.Norms);
        Row("head", counts.Head);
        Row("total", counts.Total);
        Row("non-embedding", counts.NonEmbedding);
        console.Write(table);

        void Row(string part, long count) => table.AddRow(part, Quantity.Whole(count), Quantity.Count(count),
            Quantity.Format($"{100.0 * count / counts.Total:0.0000} %"));
    }

    private void WriteMemory()
    {
        var parallel = plan.Config.Parallel;
        var sharding = ConfigKeys.NameOf(parallel.OptimizerSharding.ToString());
        var stages = parallel.Pipeline > 1 ? Quantity.Format($"the largest of {parallel.Pipeline} stages, ") : "";
        var table = Columns(
            Quantity.Format(
                $"memory of one rank, without activations and buffers ({stages}tensor {parallel.Tensor}, optimizer sharding {sharding})"),
            ["precision"], ["parameters", "gradients", "optimizer", "save copy", "total"]);
        foreach (var precision in Enum.GetValues<Precision>())
        {
            var memory = plan.MemoryOfRank(precision);
            var name = ConfigKeys.NameOf(precision.ToString()) + (precision == plan.Config.Precision ? " (this run)" : "");
            table.AddRow(name, Quantity.Bytes(memory.Parameters), Quantity.Bytes(memory.Gradients), Quantity.Bytes(memory.Optimizer),
                Quantity.Bytes(memory.Staging), Quantity.Bytes(memory.Total));
        }
        console.Write(table);
    }

    private void WriteRun()
    {
        var (run, data, optimizer) = (plan.Config.Run, plan.Config.Data, plan.Config.Optimizer);
        var facts = Section("run");
        facts.AddRow("tokens a step", Quantity.Format($"{plan.TokensPerStep:N0}: {data.GlobalBatch:N0} sequences of {data.Context:N0}"));
        facts.AddRow("a rank's share", Quantity.Format($"{plan.MicroSteps:N0} micro batches of {data.MicroBatch:N0}"));
        if (plan.Config.Parallel.Pipeline > 1)
        {
            facts.AddRow("pipeline", Quantity.Format(
                $"{plan.Stages}, each waits {plan.BubbleShare:0.0 %} of a step while the pipeline fills and empties"));
        }

        facts.AddRow("steps", Quantity.Whole(run.Steps));
        facts.AddRow("tokens", Quantity.Format($"{plan.Tokens:N0}, {Quantity.Count(plan.Tokens)}"));
        var flops = plan.FlopsPerToken;
        facts.AddRow("operations", Quantity.Format(
            $"{flops:0.000e+00} a token, {flops * plan.TokensPerStep:0.000e+00} a step, {flops * plan.Tokens:0.000e+00} in all"));
        facts.AddRow("learning rate", Schedule(optimizer, run.Steps));
        var clip = optimizer.ClipNorm == 0 ? "no clipping" : Quantity.Format($"clip {optimizer.ClipNorm}");
        facts.AddRow("AdamW", Quantity.Format(
            $"betas {optimizer.Beta1} and {optimizer.Beta2}, epsilon {optimizer.Epsilon}, weight decay {optimizer.WeightDecay}, {clip}"));
        console.Write(facts);
    }

    private static string Schedule(OptimizerConfig optimizer, int steps)
    {
        var warmup = optimizer.WarmupSteps == 0 ? "" : Quantity.Format($"linear from 0 over {optimizer.WarmupSteps:N0} steps, then ");
        var end = Quantity.Format($"{optimizer.Lr * optimizer.FinalLrFraction} at step {steps:N0}");
        return warmup + optimizer.Decay switch
        {
            LearningRateDecay.Constant => Quantity.Format($"constant at {optimizer.Lr}"),
            LearningRateDecay.Wsd => Quantity.Format(
                $"constant at {optimizer.Lr} until step {new LearningRateSchedule(optimizer, steps).PlateauEnd:N0}, then linear to {end}"),
            _ => Quantity.Format($"{ConfigKeys.NameOf(optimizer.Decay.ToString())} from {optimizer.Lr} to {end}"),
        };
    }

    private Table Section(string title)
    {
        console.WriteLine();
        console.WriteLine(title);
        return new Table().Border(TableBorder.None).HideHeaders().AddColumn("").AddColumn("");
    }

    private Table Columns(string title, string[] left, string[] right)
    {
        console.WriteLine();
        console.WriteLine(title);
        var table = new Table().Border(TableBorder.None);
        foreach (var name in left)
        {
            table.AddColumn(new TableColumn(name).NoWrap().PadRight(2));
        }

        foreach (var name in right)
        {
            table.AddColumn(new TableColumn(name).NoWrap().RightAligned().PadRight(2));
        }

        return table;
    }
}
