using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Nodes;
using KvShiftScale.Checkpoints.Safetensors;
using KvShiftScale.Core;
using KvShiftScale.Core.Files;
using KvShiftScale.Models.Configuration;
using static TorchSharp.torch;

namespace KvShiftScale.Checkpoints.ModelFolders;

/// <summary>The form of a model folder to write.</summary>
/// <param name="Naming">Whose names.</param>
/// <param name="DataType">Element type of the weights; null keeps each tensor's own.</param>
/// <param name="MaxShardBytes">Bytes of tensors after which another file begins; one tensor is never divided.</param>
/// <param name="DropShift">Leave the shift out, whatever it is.</param>
public sealed record ExportOptions(ModelNaming Naming, SafetensorsType? DataType, long MaxShardBytes, bool DropShift);

/// <summary>What an export wrote.</summary>
/// <param name="Tensors">Tensors in the files.</param>
/// <param name="Elements">Elements of all tensors.</param>
/// <param name="Bytes">Bytes of all tensors.</param>
/// <param name="Files">Files of weights.</param>
public sealed record ExportSummary(int Tensors, long Elements, long Bytes, int Files);

/// <summary>Writes a model folder again under other names, in another element type or in several files, a piece of a tensor at a time.</summary>
public sealed class ModelExport
{
    private const long PieceElements = 1 << 20;

    // What a head in bfloat16 can lack of length 1: half a unit in the last place of each element.
    private const double UnitRowTolerance = 1.0 / 256;

    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    private readonly ModelSource _source;
    private readonly ExportOptions _options;
    private readonly ModelDescription _description;
    private readonly ModelCompanions _companions;
    private readonly ParameterPlan _plan;
    private readonly FolderWeights _weights;

    /// <summary>Checks that the model can be said in the wanted form, before anything is written.</summary>
    /// <exception cref="UsageException">It cannot.</exception>
    /// <exception cref="InvalidDataException">The source is damaged.</exception>
    public ModelExport(ModelSource source, ExportOptions options)
    {
        _source = source;
        _options = options;
        _plan = ParameterPlan.Of(source.Description.Model);
        _weights = source.WeightsOf(_plan);
        CheckShift();
        if (options.Naming == ModelNaming.Baichuan)
        {
            CheckBaichuan();
        }

        if (options.Naming == ModelNaming.Llama && source.Description.Model.SlidingWindow > 0)
        {
            throw Refused("has layers with a sliding window and other heads, which Llama's configuration cannot say");
        }

        _companions = ModelCompanions.OfFolder(source.Directory, source.Description);
        _description = _companions.Describe(source.Description) with
        {
            Naming = options.Naming,
            Model = source.Description.Model with { KvShift = options.DropShift ? KvShiftVariant.None : source.Description.Model.KvShift },
        };
    }

    private bool HasShiftTensors => !_options.DropShift && _options.Naming != ModelNaming.Llama;

    /// <summary>Writes the folder. It appears under its name when all of it is on disk.</summary>
    /// <param name="output">A folder that does not exist yet, or an empty one.</param>
    /// <param name="progress">Told the bytes of weights written so far and in all.</param>
    public ExportSummary Write(string output, Action<long, long>? progress = null)
    {
        var full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(output));
        var draft = full + ".partial";
        if (Directory.Exists(draft))
        {
            Directory.Delete(draft, recursive: true);
        }

        Directory.CreateDirectory(draft);

        var tensors = WeightLayout.Of(_options.Naming,
            [.. _plan.Parameters.Where(parameter => HasShiftTensors || parameter.Part != ParameterPart.ShiftScalars).Select(parameter => (parameter.Name, parameter.Shape))]);
        var entries = tensors.ToDictionary(tensor => tensor.Name, tensor => new SafetensorsEntry(tensor.Name, TypeOf(tensor), tensor.Shape));
        var shards = Shards(tensors, entries);
        var total = entries.Values.Sum(entry => entry.ByteCount);
        var written = 0L;
        var map = new JsonObject();
        for (var index = 0; index < shards.Count; index++)
        {
            var name = shards.Count == 1 ? WeightFiles.SingleFileName : FormattableString.Invariant($"model-{index + 1:D5}-of-{shards.Count:D5}.safetensors");
            using var writer = new SafetensorsWriter(Path.Combine(draft, name), shards[index].Select(tensor => entries[tensor.Name]),
                new Dictionary<string, string> { ["format"] = "pt" });
            foreach (var entry in writer.Entries)
            {
                Write(writer, shards[index].First(tensor => tensor.Name == entry.Name), entry.Type);
                map[entry.Name] = name;
                progress?.Invoke(written += entry.ByteCount, total);
            }
            writer.Complete();
        }
        if (shards.Count > 1)
        {
            var json = new JsonObject { ["metadata"] = new JsonObject { ["total_size"] = total }, ["weight_map"] = map };
            DurableFile.Replace(Path.Combine(draft, WeightFiles.IndexFileName), json.ToJsonString(Indented) + "\n");
        }
        _companions.WriteTo(draft, _description, DataTypeName(entries.Values));
        foreach (var file in Directory.EnumerateFiles(draft))
        {
            DurableFile.FlushFile(file);
        }

        // Taking the place of an empty folder needs that folder gone.
        if (Directory.Exists(full))
        {
            Directory.Delete(full);
        }

        Directory.Move(draft, full);
        DurableFile.FlushDirectory(Path.GetDirectoryName(full)!);
        return new ExportSummary(tensors.Count, tensors.Sum(tensor => tensor.Shape.Aggregate(1L, (product, extent) => product * extent)), total,
            shards.Count);
    }

    private static string DataTypeName(IEnumerable<SafetensorsEntry> entries)
        => entries.Where(entry => entry.Shape.Count > 1).GroupBy(entry => entry.Type)
        .MaxBy(group => group.Sum(entry => entry.ByteCount))!.Key switch
        {
            SafetensorsType.BF16 => "bfloat16",
            SafetensorsType.F16 => "float16",
            SafetensorsType.F64 => "float64",
            _ => "float32",
        };

    private List<List<StoredTensor>> Shards(IReadOnlyList<StoredTensor> tensors, Dictionary<string, SafetensorsEntry> entries)
    {
        var shards = new List<List<StoredTensor>>();
        var room = 0L;
        foreach (var tensor in tensors)
        {
            var bytes = entries[tensor.Name].ByteCount;
            if (shards.Count == 0 || bytes > room)
            {
                shards.Add([]);
                room = _options.MaxShardBytes;
            }
            shards[^1].Add(tensor);
            room -= bytes;
        }
        return shards;
    }

    // The scalars of the shift keep their precision under our names: they are few, and a bfloat16 has three digits.
    private SafetensorsType TypeOf(StoredTensor tensor)
    {
        var types = tensor.Parts.Select(part => _weights.Has(part) ? _weights.TypeOf(part) : SafetensorsType.F32).Distinct().ToArray();
        var own = types is [var only] ? only : SafetensorsType.F32;
        if (_options.Naming != ModelNaming.Baichuan && WeightLayout.IsShift(tensor.Name))
        {
            return own == SafetensorsType.F64 ? own : SafetensorsType.F32;
        }

        return _options.DataType ?? own;
    }

    private void Write(SafetensorsWriter writer, StoredTensor tensor, SafetensorsType type)
    {
        using var mode = no_grad();
        var target = TensorFile.ScalarTypeOf(type, _source.Directory, tensor.Name);
        foreach (var part in tensor.Parts)
        {
            foreach (var (piece, rows) in Pieces(part, target))
            {
                using (piece)
                using (var converted = piece.dtype == target ? piece.alias() : piece.to(target))
                {
                    if (type == SafetensorsType.F16)
                    {
                        CheckHalf(part, rows, converted.bytes);
                    }

                    writer.Write(tensor.Name, converted.bytes);
                }
            }
        }
    }

    // Whole rows of a parameter at a time, in the type they are stored in where nothing is computed, otherwise in float32 or float64.
    private IEnumerable<(Tensor Piece, long FirstRow)> Pieces(string parameter, ScalarType? wanted = null)
    {
        var shape = _plan[parameter].Shape;
        var rowLength = shape.Skip(1).Aggregate(1L, (product, extent) => product * extent);
        var rowsAtOnce = Math.Max(1, PieceElements / rowLength);
        var isScaled = parameter == WeightLayout.Head && _source.Description.Naming == ModelNaming.Baichuan;
        for (var row = 0L; row < shape[0]; row += rowsAtOnce)
        {
            var rows = Math.Min(rowsAtOnce, shape[0] - row);
            if (!_weights.Has(parameter))
            {
                var identity = zeros([rows, rowLength]);
                using (var current = identity.narrow(1, rowLength - 1, 1))
                {
                    current.fill_(1).Dispose();
                }

                yield return (identity, row);
                continue;
            }
            var stored = TensorFile.ScalarTypeOf(_weights.TypeOf(parameter), _source.Directory, parameter);
            var piece = empty(rows * rowLength,
                !isScaled && stored == wanted ? stored : stored == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32);
            _weights.Read(parameter, row * rowLength, piece, rowLength);
            yield return (piece, row);
        }
    }

    private void CheckHalf(string parameter, long firstRow, ReadOnlySpan<byte> halves)
    {
        foreach (var bits in MemoryMarshal.Cast<byte, ushort>(halves))
        {
            if ((bits & 0x7C00) != 0x7C00)
            {
                continue;
            }

            throw new InvalidDataException(
                $"{_source.Directory}: '{parameter}' has a value beyond 65504 or no number from row {firstRow} on, which F16 cannot hold. Use --dtype bf16.");
        }
    }

    private void CheckShift()
    {
        if (_options.DropShift || _options.Naming != ModelNaming.Llama)
        {
            return;
        }

        foreach (var shift in _plan.Parameters.Where(parameter => parameter.Part == ParameterPart.ShiftScalars && _weights.Has(parameter.Name)))
        {
            foreach (var (piece, _) in Pieces(shift.Name))
            {
                using (piece)
                using (var wide = piece.to(ScalarType.Float64))
                {
                    var width = (int)shift.Shape[^1];
                    var scalars = MemoryMarshal.Cast<byte, double>(wide.bytes);
                    for (var i = 0; i < scalars.Length; i++)
                    {
                        if (shift.Shape.Count == 2 && width > 1 && scalars[i] == (i % width == width - 1 ? 1 : 0))
                        {
                            continue;
                        }

                        throw Refused($"has a shift ('{shift.Name}') that is not the identity, and Llama's form has no place for it. --vanilla leaves it out");
                    }
                }
            }
        }
    }

    private void CheckBaichuan()
    {
        var model = _source.Description.Model;
        if (_options.DropShift || model.KvShift is not (KvShiftVariant.Kv or KvShiftVariant.Window2))
        {
            throw Refused("does not shift keys and values over two positions with free scalars, as Baichuan-M1 does");
        }

        if (model.TieEmbeddings)
        {
            throw Refused("has an output head that is the embedding; Baichuan-M1 has rows of length 1 there");
        }

        foreach (var attention in new[] { model.Attention(0), model.Attention(model.Layers > 1 ? 1 : 0) })
        {
            if (attention.Heads * attention.HeadSize != model.HiddenSize)
            {
                throw Refused($"has {attention.Heads} heads of {attention.HeadSize} for a hidden size of {model.HiddenSize}; Baichuan-M1's heads divide the hidden size");
            }
        }
        if (_source.Description.Naming == ModelNaming.Baichuan)
        {
            return;
        }

        foreach (var (piece, firstRow) in Pieces(WeightLayout.Head))
        {
            using (piece)
            using (var wide = piece.to(ScalarType.Float64))
            {
                var values = MemoryMarshal.Cast<byte, double>(wide.bytes);
                for (var row = 0; row * model.HiddenSize < values.Length; row++)
                {
                    var squares = 0.0;
                    foreach (var value in values.Slice(row * model.HiddenSize, model.HiddenSize))
                    {
                        squares += value * value;
                    }

                    if (Math.Abs(Math.Sqrt(squares) - 1) <= UnitRowTolerance)
                    {
                        continue;
                    }

                    throw Refused(FormattableString.Invariant(
                        $"has an output head whose row {firstRow + row} has length {Math.Sqrt(squares):G6}. Baichuan-M1's class scales rows to length 1, so it would compute other logits"));
                }
            }
        }
    }

    private UsageException Refused(string reason) => new($"{_source.Directory} {reason}");
}
