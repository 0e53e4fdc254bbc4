using System.Text.Json;
using KvShiftScale.Core;
using KvShiftScale.Testing;
using KvShiftScale.Trainer.Planning;

namespace KvShiftScale.Trainer.Tests.Commands;

/// <summary>kvshift plan: its table, its JSON, and what it refuses.</summary>
public sealed class PlanVerbTests : IDisposable
{
    private const string Run = "run: { steps: 100 }\nmodel: { vocab_size: 4096, hidden_size: 512, layers: 4, heads: 8, kv_heads: 4, ffn_size: 1408 }\n"
        + "data: { train: [a], context: 512, global_batch: 32, micro_batch: 1 }\nprecision: bf16\n";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void TheTableHasTheFastestLayoutsAndWhyOthersFallOut()
    {
        var printed = CommandRun.Execute(ExitCode.Done, "plan", Write("run.yaml", Run), "--nodes", "2", "--gpus-per-node", "4", "--gpu", "h100", "--top", "3").Output;

        Assert.Contains("layouts of 8 ranks fit, 2 nodes of 4", printed);
        Assert.Contains("--explain tensor=", printed);
        Assert.Contains("data.micro_batch: ", printed);
        Assert.Equal(3, printed.Split('\n').Count(line => line.Contains(" % ", StringComparison.Ordinal)));
    }

    [Fact]
    public void WhatTheTableNamesCanBeExplained()
    {
        var run = Write("run.yaml", Run);
        var layout = CommandRun.Execute(ExitCode.Done, "plan", run, "--gpu", "a100").Output.Split('\n').Single(line => line.Contains("--explain", StringComparison.Ordinal))
            .Split("--explain ")[1].Trim();

        var printed = CommandRun.Execute(ExitCode.Done, "plan", run, "--gpu", "a100", "--explain", layout).Output;

        Assert.Contains("memory of a rank at its peak", printed);
        Assert.Contains("micro-batches x", printed);
        Assert.Contains("elements x 2 B", printed);
    }

    [Fact]
    public void JsonHasEveryTerm()
    {
        var printed = CommandRun.Execute(ExitCode.Done, "plan", Write("run.yaml", Run), "--gpu", "h200", "--top", "2", "--json").Output;

        using var document = JsonDocument.Parse(printed);
        var root = document.RootElement;
        Assert.Equal(["nodes", "gpus_per_node", "hardware", "fitting", "layouts", "too_large", "refused"], root.EnumerateObject().Select(property => property.Name));
        Assert.Equal(141e9, root.GetProperty("hardware").GetProperty("memory_bytes").GetDouble());
        Assert.Equal(2, root.GetProperty("layouts").GetArrayLength());
        var layout = root.GetProperty("layouts")[0];
        Assert.Equal(["data", "tensor", "sequence", "context", "pipeline", "virtual_stages", "micro_batch", "optimizer_sharding", "recompute", "memory_bytes", "memory", "step_seconds", "time",
            "tokens_per_second", "mfu", "days", "checkpoint_bytes", "checkpoint_seconds"], layout.EnumerateObject().Select(property => property.Name));
        Assert.Equal(layout.GetProperty("step_seconds").GetDouble(), layout.GetProperty("time").EnumerateArray().Sum(term => term.GetProperty("value").GetDouble()), 1e-12);
    }

    [Theory]
    [InlineData("--explain", "tenser=2", "tensor")]
    [InlineData("--explain", "tensor=3", "divide the 8 heads")]
    [InlineData("--explain", "pipeline=16", "--ranks")]
    [InlineData("--set", "precision=fp64", "wanted bf16 or fp32")]
    [InlineData("--gpus-per-node", "0", "wanted at least 1")]
    [InlineData("--gpu", "h300", "one of h100, h200, a100")]
    [InlineData("--gpu", "", "a file that can be read")]
    [InlineData("--set", "model.heads=0", "must be at least 1")]
    [InlineData("--gpus-per-node", "7", "found no layout of 7 ranks")]
    public void WhatCannotBeIsSaid(string option, string value, string said)
    {
        string[] device = option == "--gpu" ? [] : ["--gpu", "h100"];

        Assert.Contains(said, CommandRun.Execute(ExitCode.Usage, ["plan", Write("run.yaml", Run), .. device, option, value]).Error);
    }

    [Fact]
    public void AFileOfHardwareIsReadAsItWasWritten()
    {
        var path = Path.Combine(_folder.Path, "mine.yaml");
        var written = KnownHardware.All["a100"] with { DiskBytesPerSecond = 3.5e9 };

        HardwareFile.Write(path, written, "by hand");

        Assert.Equal(written, HardwareFile.Read(path));
        Assert.Contains("layouts of 8 ranks fit", CommandRun.Execute(ExitCode.Done, "plan", Write("run.yaml", Run), "--gpu", path).Output);
    }

    [Theory]
    [InlineData("memory_bytes", "memory_byte", "use the nearest known key, memory_bytes")]
    [InlineData("overlap_share: 1", "overlap_share: 2", "must be at most 1")]
    [InlineData("overlap_share: 1", "overlap_share: all", "a finite number from 0 to 1")]
    [InlineData("overlap_share: 1", "", "has no default and must be set")]
    public void AWrongFileOfHardwareIsToldWithWhatToDo(string what, string with, string said)
    {
        var path = Path.Combine(_folder.Path, "mine.yaml");
        HardwareFile.Write(path, KnownHardware.All["a100"], "by hand");
        File.WriteAllText(path, File.ReadAllText(path).Replace("e+0", "", StringComparison.Ordinal).Replace(what, with, StringComparison.Ordinal));

        Assert.Contains(said, CommandRun.Execute(ExitCode.Usage, "plan", Write("run.yaml", Run), "--gpu", path).Error);
    }

    private string Write(string name, string text)
    {
        var path = Path.Combine(_folder.Path, name);
        File.WriteAllText(path, text);
        return path;
    }
}
