using Parquet.Meta;
using PhysicalType = Parquet.Meta.Type;

namespace Parquet.Thrift;

/// <summary>Reads the footer. Field ids and types are those of the format's parquet.thrift; other fields are passed over.</summary>
internal static class MetadataReader
{
    public static FileMetaData ReadFile(ReadOnlySpan<byte> footer)
    {
        var reader = new CompactReader(footer);
        var file = new FileMetaData();
        var seen = 0;
        for (var lastId = 0; reader.NextField(ref lastId, out var field); seen |= Seen(field))
        {
            switch (field.Id)
            {
                case 1:
                    file.Version = reader.Int32(field);
                    break;
                case 2:
                    ReadList(ref reader, field, file.Schema, ReadSchemaElement);
                    break;
                case 3:
                    file.NumRows = reader.Int64(field);
                    break;
                case 4:
                    ReadList(ref reader, field, file.RowGroups, ReadRowGroup);
                    break;
                case 5:
                    file.KeyValueMetadata = ReadList(ref reader, field, [], ReadKeyValue);
                    break;
                case 6:
                    file.CreatedBy = reader.String(field);
                    break;
                case 8:
                    throw new DecodeException("the file is encrypted; encryption is not supported");
                default:
                    reader.Skip(field);
                    break;
            }
        }

        Require(seen, "file metadata", (2, "schema"), (3, "number of rows"), (4, "row groups"));
        return file;
    }

    private delegate T ElementReader<T>(ref CompactReader reader);

    private static List<T> ReadList<T>(ref CompactReader reader, ThriftField field, List<T> target, ElementReader<T> readElement)
    {
        target.Clear();
        var count = reader.List(field, ThriftType.Struct);
        for (var i = 0; i < count; i++)
        {
            target.Add(readElement(ref reader));
        }

        return target;
    }

    private static SchemaElement ReadSchemaElement(ref CompactReader reader)
    {
        var element = new SchemaElement();
        var seen = 0;
        for (var lastId = 0; reader.NextField(ref lastId, out var field); seen |= Seen(field))
        {
            switch (field.Id)
            {
                case 1:
                    element.Type = (PhysicalType)reader.Int32(field);
                    break;
                case 2:
                    element.TypeLength = reader.Int32(field);
                    break;
                case 3:
                    element.RepetitionType = (FieldRepetitionType)reader.Int32(field);
                    break;
                case 4:
                    element.Name = reader.String(field);
                    break;
                case 5:
                    element.NumChildren = reader.Int32(field);
                    break;
                case 6:
                    element.ConvertedType = (ConvertedType)reader.Int32(field);
                    break;
                case 7:
                    element.Scale = reader.Int32(field);
                    break;
                case 8:
                    element.Precision = reader.Int32(field);
                    break;
                case 9:
                    element.FieldId = reader.Int32(field);
                    break;
                case 10:
                    reader.Struct(field);
                    element.Logical = ReadLogical(ref reader);
                    break;
                default:
                    reader.Skip(field);
                    break;
            }
        }

        Require(seen, "schema element", (4, "name"));
        return element;
    }

    private static LogicalAnnotation ReadLogical(ref CompactReader reader)
    {
        var logical = default(LogicalAnnotation);
        for (var lastId = 0; reader.NextField(ref lastId, out var field);)
        {
            logical = new LogicalAnnotation((LogicalKind)field.Id);
            if (logical.Kind == LogicalKind.Integer)
            {
                reader.Struct(field);
                logical = ReadIntegerKind(ref reader);
            }
            else
            {
                reader.Skip(field);
            }
        }

        return logical;
    }

    private static LogicalAnnotation ReadIntegerKind(ref CompactReader reader)
    {
        int bitWidth = 0, seen = 0;
        var isSigned = false;
        for (var lastId = 0; reader.NextField(ref lastId, out var field); seen |= Seen(field))
        {
            switch (field.Id)
            {
                case 1:
                    bitWidth = reader.Byte(field);
                    break;
                case 2:
                    isSigned = reader.Bool(field);
                    break;
                default:
                    reader.Skip(field);
                    break;
            }
        }

        Require(seen, "integer annotation", (1, "bit width"), (2, "sign"));
        return new LogicalAnnotation(LogicalKind.Integer, bitWidth, isSigned);
    }

    private static RowGroup ReadRowGroup(ref CompactReader reader)
    {
        var group = new RowGroup();
        var seen = 0;
        for (var lastId = 0; reader.NextField(ref lastId, out var field); seen |= Seen(field))
        {
            switch (field.Id)
            {
                case 1:
                    ReadList(ref reader, field, group.Columns, ReadColumnChunk);
                    break;
                case 2:
                    group.TotalByteSize = reader.Int64(field);
                    break;
                case 3:
                    group.NumRows = reader.Int64(field);
                    break;
                case 5:
                    group.FileOffset = reader.Int64(field);
                    break;
                case 6:
                    group.TotalCompressedSize = reader.Int64(field);
                    break;
                case 7:
                    group.Ordinal = reader.Int16(field);
                    break;
                default:
                    reader.Skip(field);
                    break;
            }
        }

        Require(seen, "row group", (1, "columns"), (3, "number of rows"));
        return group;
    }

    private static ColumnChunk ReadColumnChunk(ref CompactReader reader)
    {
        var chunk = new ColumnChunk();
        for (var lastId = 0; reader.NextField(ref lastId, out var field);)
        {
            switch (field.Id)
            {
                case 1:
                    chunk.FilePath = reader.String(field);
                    break;
                case 2:
                    chunk.FileOffset = reader.Int64(field);
                    break;
                case 3:
                    reader.Struct(field);
                    chunk.MetaData = ReadColumnMetaData(ref reader);
                    break;
                case 8 or 9:
                    chunk.IsEncrypted = true;
                    reader.Skip(field);
                    break;
                default:
                    reader.Skip(field);
                    break;
            }
        }

        return chunk;
    }

    private static ColumnMetaData ReadColumnMetaData(ref CompactReader reader)
    {
        var column = new ColumnMetaData();
        var seen = 0;
        for (var lastId = 0; reader.NextField(ref lastId, out var field); seen |= Seen(field))
        {
            switch (field.Id)
            {
                case 1:
                    column.Type = (PhysicalType)reader.Int32(field);
                    break;
                case 2:
                    for (var left = reader.List(field, ThriftType.Int32); left > 0; left--)
                    {
                        column.Encodings.Add((Encoding)reader.Int32Element());
                    }

                    break;
                case 3:
                    for (var left = reader.List(field, ThriftType.Binary); left > 0; left--)
                    {
                        column.PathInSchema.Add(reader.StringElement());
                    }

                    break;
                case 4:
                    column.Codec = (CompressionCodec)reader.Int32(field);
                    break;
                case 5:
                    column.NumValues = reader.Int64(field);
                    break;
                case 6:
                    column.TotalUncompressedSize = reader.Int64(field);
                    break;
                case 7:
                    column.TotalCompressedSize = reader.Int64(field);
                    break;
                case 8:
                    column.KeyValueMetadata = ReadList(ref reader, field, [], ReadKeyValue);
                    break;
                case 9:
                    column.DataPageOffset = reader.Int64(field);
                    break;
                case 10:
                    column.IndexPageOffset = reader.Int64(field);
                    break;
                case 11:
                    column.DictionaryPageOffset = reader.Int64(field);
                    break;
                case 12:
                    reader.Struct(field);
                    column.Statistics = ReadStatistics(ref reader);
                    break;
                case 16:
                    reader.Struct(field);
                    column.SizeStatistics = ReadSizeStatistics(ref reader);
                    break;
                default:
                    reader.Skip(field);
                    break;
            }
        }

        Require(
            seen, "column metadata", (1, "type"), (4, "codec"), (5, "number of values"), (7, "compressed size"), (9, "data page offset"));
        return column;
    }

    private static Statistics ReadStatistics(ref CompactReader reader)
    {
        var statistics = new Statistics();
        for (var lastId = 0; reader.NextField(ref lastId, out var field);)
        {
            switch (field.Id)
            {
                case 1:
                    statistics.Max = reader.Binary(field);
                    break;
                case 2:
                    statistics.Min = reader.Binary(field);
                    break;
                case 3:
                    statistics.NullCount = reader.Int64(field);
                    break;
                case 4:
                    statistics.DistinctCount = reader.Int64(field);
                    break;
                case 5:
                    statistics.MaxValue = reader.Binary(field);
                    break;
                case 6:
                    statistics.MinValue = reader.Binary(field);
                    break;
                case 7:
                    statistics.IsMaxValueExact = reader.Bool(field);
                    break;
                case 8:
                    statistics.IsMinValueExact = reader.Bool(field);
                    break;
                default:
                    reader.Skip(field);
                    break;
            }
        }

        return statistics;
    }

    private static SizeStatistics ReadSizeStatistics(ref CompactReader reader)
    {
        var statistics = new SizeStatistics();
        for (var lastId = 0; reader.NextField(ref lastId, out var field);)
        {
            switch (field.Id)
            {
                case 1:
                    statistics.UnencodedByteArrayDataBytes = reader.Int64(field);
                    break;
                case 2:
                    statistics.RepetitionLevelHistogram = ReadHistogram(ref reader, field);
                    break;
                case 3:
                    statistics.DefinitionLevelHistogram = ReadHistogram(ref reader, field);
                    break;
                default:
                    reader.Skip(field);
                    break;
            }
        }

        return statistics;
    }

    private static List<long> ReadHistogram(ref CompactReader reader, ThriftField field)
    {
        var counts = new List<long>();
        for (var left = reader.List(field, ThriftType.Int64); left > 0; left--)
        {
            counts.Add(reader.Int64Element());
        }

        return counts;
    }

    private static KeyValue ReadKeyValue(ref CompactReader reader)
    {
        var entry = new KeyValue();
        var seen = 0;
        for (var lastId = 0; reader.NextField(ref lastId, out var field); seen |= Seen(field))
        {
            switch (field.Id)
            {
                case 1:
                    entry.Key = reader.String(field);
                    break;
                case 2:
                    entry.Value = reader.String(field);
                    break;
                default:
                    reader.Skip(field);
                    break;
            }
        }

        Require(seen, "key-value entry", (1, "key"));
        return entry;
    }

    /// <summary>A bit for each field id below 32.</summary>
    internal static int Seen(ThriftField field) => field.Id is >= 0 and < 32 ? 1 << field.Id : 0;

    internal static void Require(int seen, string structure, params ReadOnlySpan<(int Id, string Name)> fields)
    {
        foreach (var (id, name) in fields)
        {
            if ((seen & (1 << id)) == 0)
            {
                throw new DecodeException($"{structure} without {name}");
            }
        }
    }
}
