using System.Runtime.InteropServices;
using KvShiftScale.Checkpoints.Safetensors;
using KvShiftScale.Parallel.Parameters;
using static TorchSharp.torch;

namespace KvShiftScale.Checkpoints.ModelFolders;

/// <summary>
/// The parameters of a model as a folder's files hold them, whatever naming and element type the files have. Making one checks that
/// every parameter is there in its shape and that nothing else is.
/// </summary>
public sealed class FolderWeights
{
    // F.normalize divides by no less than this.
    private const double ShortestRow = 1e-12;

    // Rows that a float32 computation has scaled to 1 are within this of it; scaling them once more would only add rounding.
    private const double RoundedLength = 1e-6;

    private const long RowBufferElements = 64 << 10;

    // Tensors that a message names beside the first.
    private const int NamedTensors = 8;

    private readonly WeightFiles _files;
    private readonly ModelNaming _naming;
    private readonly Dictionary<string, (StoredTensor Tensor, long First)> _places = [];

    /// <param name="files">The open files.</param>
    /// <param name="description">What config.json says of the folder.</param>
    /// <param name="parameters">Name and shape of every parameter of the model.</param>
    /// <param name="mayLackShift">A file without any scalars of the shift will do; they are then <see cref="Missing"/>.</param>
    /// <exception cref="InvalidDataException">A tensor is missing, has another shape or element type, or has no place in the model.</exception>
    internal FolderWeights(WeightFiles files, ModelDescription description, IReadOnlyList<(string Name, IReadOnlyList<long> Shape)> parameters,
        bool mayLackShift)
    {
        _files = files;
        _naming = description.Naming;
        mayLackShift &= !files.Names.Any(WeightLayout.IsStoredShift);
        var shapes = parameters.ToDictionary(parameter => parameter.Name, parameter => parameter.Shape);
        var expected = new HashSet<string>();
        var missing = new List<string>();
        foreach (var tensor in WeightLayout.Of(_naming, parameters))
        {
            expected.Add(tensor.Name);
            if (!files.Contains(tensor.Name))
            {
                if (mayLackShift && tensor.Parts.All(WeightLayout.IsShift))
                {
                    missing.AddRange(tensor.Parts);
                }
                else
                {
                    throw Lacking(tensor, description);
                }

                continue;
            }
            Check(tensor);
            var first = 0L;
            foreach (var part in tensor.Parts)
            {
                _places.Add(part, (tensor, first));
                first += shapes[part].Aggregate(1L, (product, extent) => product * extent);
            }
        }
        Missing = missing;
        CheckNothingElse(expected, parameters, description);
    }

    /// <summary>Scalars of the shift that the files do not have.</summary>
    public IReadOnlyList<string> Missing { get; }

    /// <summary>Whether the files have a parameter.</summary>
    public bool Has(string parameter) => _places.ContainsKey(parameter);

    /// <summary>Element type of a parameter in the files.</summary>
    public SafetensorsType TypeOf(string parameter) => _files.Entry(_places[parameter].Tensor.Name).Type;

    /// <summary>Fills the parameters of a model, except missing ones; where ranks divide them, this rank's parts.</summary>
    public void Fill(IEnumerable<ParameterSlot> slots)
    {
        using var mode = no_grad();
        foreach (var slot in slots.Where(slot => Has(slot.Name)))
        {
            using var scope = NewDisposeScope();
            var flat = slot.Parameter.detach().view(-1);
            // Padding, beyond the last index that the whole parameter has, is zero.
            if (slot.Shard.ValidExtent < slot.Shard.Extent)
            {
                flat.fill_(0);
            }

            foreach (var (local, global, length) in slot.Shard.Runs())
            {
                using var inner = NewDisposeScope();
                Read(slot.Name, global, flat.narrow(0, local, length), slot.Shape[^1]);
            }
        }
    }

    /// <summary>Gives missing scalars the values that shift nothing: 1 for the current token, the last column, and 0 for those before it.</summary>
    public void FillMissingWithIdentity(IEnumerable<ParameterSlot> slots)
    {
        using var mode = no_grad();
        foreach (var slot in slots.Where(slot => !Has(slot.Name)))
        {
            using var scope = NewDisposeScope();
            slot.Parameter.fill_(0);
            slot.Parameter.detach().narrow(1, slot.Shape[1] - 1, 1).fill_(1);
        }
    }

    /// <summary>Reads consecutive elements of a parameter.</summary>
    /// <param name="parameter">Its name; the files have it.</param>
    /// <param name="first">First element, counted from the start of the whole parameter; of a head whose rows are scaled, the start of a row.</param>
    /// <param name="destination">Flat, contiguous; receives as many elements as it has, converted to its type.</param>
    /// <param name="rowLength">Elements of a row of the parameter.</param>
    public void Read(string parameter, long first, Tensor destination, long rowLength)
    {
        var (tensor, start) = _places[parameter];
        if (_naming != ModelNaming.Baichuan || parameter != WeightLayout.Head)
        {
            _files.ReadElements(tensor.Name, start + first, destination);
            return;
        }
        // A buffer of whole rows: lengths are computed in float64 whatever type the rows end in.
        var bufferElements = Math.Max(1, RowBufferElements / rowLength) * rowLength;
        for (var offset = 0L; offset < destination.numel(); offset += bufferElements)
        {
            using var scope = NewDisposeScope();
            var part = destination.narrow(0, offset, Math.Min(bufferElements, destination.numel() - offset));
            var rows = empty(part.numel(), ScalarType.Float64);
            _files.ReadElements(tensor.Name, start + first + offset, rows);
            Normalise(MemoryMarshal.Cast<byte, double>(rows.bytes), (int)rowLength);
            part.copy_(rows);
        }
    }

    private void Check(StoredTensor tensor)
    {
        var entry = _files.Entry(tensor.Name);
        if (!entry.Shape.SequenceEqual(tensor.Shape))
        {
            throw new InvalidDataException($"{_files.PathOf(tensor.Name)}: '{tensor.Name}' is {entry}; {ModelDescription.FileName} makes it "
                + $"[{string.Join(", ", tensor.Shape)}]. The two do not belong together.");
        }
        TensorFile.ScalarTypeOf(entry.Type, _files.PathOf(tensor.Name), tensor.Name);
    }

    private InvalidDataException Lacking(StoredTensor tensor, ModelDescription description)
    {
        var hint = tensor.Parts is [WeightLayout.Head] && !description.Model.TieEmbeddings
            ? " If the head is the embedding, it has to say tie_word_embeddings: true." : "";
        return new InvalidDataException(
            $"{_files.Source}: has no tensor '{tensor.Name}' [{string.Join(", ", tensor.Shape)}] among its {_files.Names.Count}, which {ModelDescription.FileName} asks for.{hint}");
    }

    // A tensor that nothing reads is a part of the model that would be left out: a bias, a norm of queries, another layer.
    private void CheckNothingElse(HashSet<string> expected, IReadOnlyList<(string Name, IReadOnlyList<long> Shape)> parameters,
        ModelDescription description)
    {
        var isVanilla = !parameters.Any(parameter => WeightLayout.IsShift(parameter.Name)) && description.Model.KvShift != Models.Configuration.KvShiftVariant.None;
        var unused = _files.Names.Order(StringComparer.Ordinal).Where(name => !expected.Contains(name) && !WeightLayout.IsDerived(name)
            && !(isVanilla && WeightLayout.IsStoredShift(name)) && !(name == WeightLayout.Head && description.Model.TieEmbeddings)).ToList();
        if (unused.Count > 0)
        {
            var others = unused.Count == 1 ? ""
                : $" Nor have {string.Join(", ", unused.Skip(1).Take(NamedTensors).Select(name => $"'{name}'"))}"
                    + (unused.Count - 1 > NamedTensors ? $" and {unused.Count - 1 - NamedTensors} more." : ".");
            throw new InvalidDataException($"{_files.PathOf(unused[0])}: tensor '{unused[0]}' ({_files.Entry(unused[0])}) has no place in the model that "
                + $"{ModelDescription.FileName} describes.{others} {Reason(unused[0], description)}");
        }

        if (description.Model.TieEmbeddings && _files.Contains(WeightLayout.Head))
        {
            RequireHeadIsEmbedding();
        }
    }

    private static string Reason(string tensor, ModelDescription description)
    {
        if (WeightLayout.LayerOf(tensor) is { } layer && layer >= description.Model.Layers)
        {
            return $"It says num_hidden_layers: {description.Model.Layers}, so that layers from {description.Model.Layers} on would be left out.";
        }

        return WeightLayout.IsStoredShift(tensor) && description.Model.KvShift == Models.Configuration.KvShiftVariant.None
            ? "It says kv_shift: none, so that the shift would be left out; eval and generate have --vanilla for that."
            : "A part of the model would be left out: the two do not belong together.";
    }

    // Some writers store a head that is the embedding a second time. Another one would be left out: a trained head, beside a configuration that is wrong.
    private void RequireHeadIsEmbedding()
    {
        var (head, embedding) = (_files.Entry(WeightLayout.Head), _files.Entry(WeightLayout.Embedding));
        var rows = head.Shape.SequenceEqual(embedding.Shape) ? FirstDifferentRow(embedding.Shape) : 0;
        if (rows is not { } row)
        {
            return;
        }

        throw new InvalidDataException($"{_files.PathOf(WeightLayout.Head)}: '{WeightLayout.Head}' ({head}) is not '{WeightLayout.Embedding}' ({embedding}), from row {row} on, "
            + $"and {ModelDescription.FileName} says tie_word_embeddings: true, by which it would be left out. Where it is the model's own output head, write "
            + "tie_word_embeddings: false; where it is left over, delete the tensor.");
    }

    // Compared in float64, which holds every stored value: a head in another element type may still be the same.
    private long? FirstDifferentRow(IReadOnlyList<long> shape)
    {
        using var mode = no_grad();
        var rowsAtOnce = Math.Max(1, RowBufferElements / shape[1]);
        for (var row = 0L; row < shape[0]; row += rowsAtOnce)
        {
            using var scope = NewDisposeScope();
            var rows = Math.Min(rowsAtOnce, shape[0] - row);
            var (head, embedding) = (empty(rows * shape[1], ScalarType.Float64), empty(rows * shape[1], ScalarType.Float64));
            _files.ReadElements(WeightLayout.Head, row * shape[1], head);
            _files.ReadElements(WeightLayout.Embedding, row * shape[1], embedding);
            var same = MemoryMarshal.Cast<byte, double>(head.bytes).CommonPrefixLength(MemoryMarshal.Cast<byte, double>(embedding.bytes));
            if (same < rows * shape[1])
            {
                return row + same / shape[1];
            }
        }

        return null;
    }

    private static void Normalise(Span<double> rows, int length)
    {
        for (; !rows.IsEmpty; rows = rows[length..])
        {
            var squares = 0.0;
            foreach (var value in rows[..length])
            {
                squares += value * value;
            }

            var norm = Math.Sqrt(squares);
            if (Math.Abs(norm - 1) <= RoundedLength)
            {
                continue;
            }

            var scale = 1 / Math.Max(norm, ShortestRow);
            foreach (ref var value in rows[..length])
            {
                value *= scale;
            }
        }
    }
}
