using System.Buffers;
using Parquet.Meta;

namespace Parquet.Thrift;

/// <summary>Writes the footer and the page headers; field ids are those of the format's parquet.thrift.</summary>
internal static class MetadataWriter
{
    public static void WriteFile(FileMetaData file, int leafCount, ArrayBufferWriter<byte> output)
    {
        var writer = new CompactWriter(output);
        writer.BeginStruct();
        writer.Int32(1, file.Version);
        writer.BeginList(2, ThriftType.Struct, file.Schema.Count);
        foreach (var element in file.Schema)
        {
            WriteSchemaElement(writer, element);
        }

        writer.Int64(3, file.NumRows);
        writer.BeginList(4, ThriftType.Struct, file.RowGroups.Count);
        foreach (var group in file.RowGroups)
        {
            WriteRowGroup(writer, group);
        }

        WriteKeyValues(writer, 5, file.KeyValueMetadata);
        if (file.CreatedBy != null)
        {
            writer.String(6, file.CreatedBy);
        }

        WriteColumnOrders(writer, leafCount);
        writer.EndStruct();
    }

    public static void WriteDataPageHeader(PageHeader header, ArrayBufferWriter<byte> output)
    {
        var writer = BeginPageHeader(header, output);
        writer.BeginStruct(5);
        writer.Int32(1, header.ValueCount);
        writer.Int32(2, (int)header.Encoding);
        writer.Int32(3, (int)Encoding.RLE);
        writer.Int32(4, (int)Encoding.RLE);
        writer.EndStruct();
        writer.EndStruct();
    }

    public static void WriteDictionaryPageHeader(PageHeader header, ArrayBufferWriter<byte> output)
    {
        var writer = BeginPageHeader(header, output);
        writer.BeginStruct(7);
        writer.Int32(1, header.ValueCount);
        writer.Int32(2, (int)header.Encoding);
        writer.EndStruct();
        writer.EndStruct();
    }

    private static CompactWriter BeginPageHeader(PageHeader header, ArrayBufferWriter<byte> output)
    {
        var writer = new CompactWriter(output);
        writer.BeginStruct();
        writer.Int32(1, (int)header.Type);
        writer.Int32(2, header.UncompressedPageSize);
        writer.Int32(3, header.CompressedPageSize);
        if (header.Crc is { } crc)
        {
            writer.Int32(4, crc);
        }

        return writer;
    }

    private static void WriteSchemaElement(CompactWriter writer, SchemaElement element)
    {
        writer.BeginStruct();
        if (element.Type is { } type)
        {
            writer.Int32(1, (int)type);
        }

        if (element.RepetitionType is { } repetition)
        {
            writer.Int32(3, (int)repetition);
        }

        writer.String(4, element.Name);
        if (element.NumChildren is { } childCount)
        {
            writer.Int32(5, childCount);
        }

        if (element.ConvertedType is { } converted)
        {
            writer.Int32(6, (int)converted);
        }

        if (element.Logical.Kind != LogicalKind.None)
        {
            WriteLogical(writer, element.Logical);
        }

        writer.EndStruct();
    }

    private static void WriteLogical(CompactWriter writer, LogicalAnnotation logical)
    {
        writer.BeginStruct(10);
        writer.BeginStruct((int)logical.Kind);
        if (logical.Kind == LogicalKind.Integer)
        {
            writer.Byte(1, logical.BitWidth);
            writer.Bool(2, logical.IsSigned);
        }

        writer.EndStruct();
        writer.EndStruct();
    }

    private static void WriteRowGroup(CompactWriter writer, RowGroup group)
    {
        writer.BeginStruct();
        writer.BeginList(1, ThriftType.Struct, group.Columns.Count);
        foreach (var chunk in group.Columns)
        {
            writer.BeginStruct();
            writer.Int64(2, chunk.FileOffset);
            writer.BeginStruct(3);
            WriteColumnMetaData(writer, chunk.MetaData!);
            writer.EndStruct();
            writer.EndStruct();
        }

        writer.Int64(2, group.TotalByteSize);
        writer.Int64(3, group.NumRows);
        WriteOptional(writer, 5, group.FileOffset);
        WriteOptional(writer, 6, group.TotalCompressedSize);
        if (group.Ordinal is { } ordinal)
        {
            writer.Int16(7, ordinal);
        }

        writer.EndStruct();
    }

    private static void WriteColumnMetaData(CompactWriter writer, ColumnMetaData column)
    {
        writer.Int32(1, (int)column.Type);
        writer.BeginList(2, ThriftType.Int32, column.Encodings.Count);
        foreach (var encoding in column.Encodings)
        {
            writer.Int32Element((int)encoding);
        }

        writer.BeginList(3, ThriftType.Binary, column.PathInSchema.Count);
        foreach (var part in column.PathInSchema)
        {
            writer.StringElement(part);
        }

        writer.Int32(4, (int)column.Codec);
        writer.Int64(5, column.NumValues);
        writer.Int64(6, column.TotalUncompressedSize);
        writer.Int64(7, column.TotalCompressedSize);
        WriteKeyValues(writer, 8, column.KeyValueMetadata);
        writer.Int64(9, column.DataPageOffset);
        WriteOptional(writer, 11, column.DictionaryPageOffset);
        if (column.Statistics is { } statistics)
        {
            writer.BeginStruct(12);
            WriteOptional(writer, 3, statistics.NullCount);
            WriteOptional(writer, 5, statistics.MaxValue);
            WriteOptional(writer, 6, statistics.MinValue);
            writer.EndStruct();
        }
    }

    private static void WriteKeyValues(CompactWriter writer, int id, List<KeyValue>? entries)
    {
        if (entries is not { Count: > 0 })
        {
            return;
        }

        writer.BeginList(id, ThriftType.Struct, entries.Count);
        foreach (var entry in entries)
        {
            writer.BeginStruct();
            writer.String(1, entry.Key);
            if (entry.Value != null)
            {
                writer.String(2, entry.Value);
            }

            writer.EndStruct();
        }
    }

    // Readers may only trust min_value and max_value where the order is stated: that of the type, for every column.
    private static void WriteColumnOrders(CompactWriter writer, int leafCount)
    {
        writer.BeginList(7, ThriftType.Struct, leafCount);
        for (var i = 0; i < leafCount; i++)
        {
            writer.BeginStruct();
            writer.BeginStruct(1);
            writer.EndStruct();
            writer.EndStruct();
        }
    }

    private static void WriteOptional(CompactWriter writer, int id, long? value)
    {
        if (value is { } present)
        {
            writer.Int64(id, present);
        }
    }

    private static void WriteOptional(CompactWriter writer, int id, byte[]? value)
    {
        if (value != null)
        {
            writer.Binary(id, value);
        }
    }
}
