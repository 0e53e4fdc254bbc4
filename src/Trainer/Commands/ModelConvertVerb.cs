using System.CommandLine;
using System.Diagnostics;
using KvShiftScale.Checkpoints.ModelFolders;
using KvShiftScale.Checkpoints.Safetensors;
using KvShiftScale.Core;
using KvShiftScale.Core.Text;
using KvShiftScale.Trainer.Launch;
using KvShiftScale.Trainer.Reporting;

namespace KvShiftScale.Trainer.Commands;

/// <summary><c>kvshift model convert</c>: a model folder under other names, in another element type or in several files.</summary>
internal static class ModelConvertVerb
{
    private static readonly Dictionary<string, SafetensorsType> Types =
        new() { ["f32"] = SafetensorsType.F32, ["bf16"] = SafetensorsType.BF16, ["f16"] = SafetensorsType.F16 };

    private static readonly Dictionary<string, ModelNaming> Namings =
        new() { ["kvshift"] = ModelNaming.KvShift, ["llama"] = ModelNaming.Llama, ["baichuan"] = ModelNaming.Baichuan, ["hf"] = ModelNaming.HuggingFace };

    public static Command Build()
    {
        var model = new ModelChoice();
        var output = new Option<string>("--output") { Description = "Folder to write; it must not exist, or be empty.", Required = true };
        var naming = new Option<string>("--naming") { Description = "kvshift, llama, baichuan, or hf: kvshift's with the classes by which transformers loads it.", DefaultValueFactory = _ => "kvshift" };
        var dtype = new Option<string?>("--dtype") { Description = "f32, bf16 or f16; each tensor keeps its own by default." };
        var shard = new Option<string>("--max-shard-size")
        {
            Description = "Size after which another file begins: 5GiB, 500MB.",
            DefaultValueFactory = _ => "5GiB"
        };
        var vanilla = new Option<bool>("--vanilla") { Description = "Leave the KV shift out." };
        var command = new Command("convert", "Reads a model folder, of this program, Llama's or Baichuan-M1's, and writes it in another form.")
        {
            output, naming, dtype, shard, vanilla,
        };
        model.AddTo(command);
        command.SetAction(parsed => Run(model.Resolve(parsed), parsed.GetRequiredValue(output), new ExportOptions(
            Choose("--naming", parsed.GetValue(naming)!, Namings),
            parsed.GetValue(dtype) is { } type ? Choose("--dtype", type, Types) : null,
            ByteSize.Parse(parsed.GetValue(shard)!) ?? throw new UsageException($"found --max-shard-size {parsed.GetValue(shard)}; wanted a size such as 5GiB or 500MB"),
            parsed.GetValue(vanilla))));
        return command;
    }

    private static int Run(string folder, string output, ExportOptions options)
    {
        if (File.Exists(output) || (Directory.Exists(output) && Directory.EnumerateFileSystemEntries(output).Any()))
        {
            throw new UsageException($"found something at --output {output}; wanted a folder that does not exist yet, or an empty one");
        }

        var start = Stopwatch.GetTimestamp();
        TensorLibrary.Load();
        using var source = ModelSource.Open(folder);
        if (source.Note is { } note)
        {
            Console.Error.WriteLine($"kvshift: {note}");
        }

        var export = new ModelExport(source, options);
        using var progress = new ProgressLine();
        var summary = export.Write(output,
            (written, total) => progress.Update(FormattableString.Invariant($"convert: {written >> 20:N0} of {total >> 20:N0} MiB")));
        Console.WriteLine(FormattableString.Invariant(
            $"{output}: {summary.Tensors} tensors, {summary.Elements:N0} parameters, {summary.Bytes:N0} bytes in {summary.Files} {(summary.Files == 1 ? "file" : "files")}, {Stopwatch.GetElapsedTime(start).TotalSeconds:F1} s"));
        return ExitCode.Done;
    }

    private static T Choose<T>(string option, string value, Dictionary<string, T> known)
        => known.TryGetValue(value, out var found)
            ? found : throw new UsageException($"found {option} {value}; wanted {string.Join(", ", known.Keys)}");
}
