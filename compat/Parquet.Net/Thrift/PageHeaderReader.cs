using Parquet.Meta;

namespace Parquet.Thrift;

internal static class PageHeaderReader
{
    /// <summary>Reads the header at the start of <paramref name="data"/>; <paramref name="byteCount"/> is its own length.</summary>
    public static PageHeader Read(ReadOnlySpan<byte> data, out int byteCount)
    {
        var reader = new CompactReader(data);
        var header = new PageHeader();
        var seen = 0;
        for (var lastId = 0; reader.NextField(ref lastId, out var field); seen |= MetadataReader.Seen(field))
        {
            switch (field.Id)
            {
                case 1:
                    header.Type = (PageType)reader.Int32(field);
                    break;
                case 2:
                    header.UncompressedPageSize = reader.Int32(field);
                    break;
                case 3:
                    header.CompressedPageSize = reader.Int32(field);
                    break;
                case 4:
                    header.Crc = reader.Int32(field);
                    break;
                case 5:
                    reader.Struct(field);
                    ReadCountAndEncoding(ref reader, ref header, "data page header");
                    break;
                case 7:
                    reader.Struct(field);
                    ReadCountAndEncoding(ref reader, ref header, "dictionary page header");
                    break;
                case 8:
                    reader.Struct(field);
                    ReadVersion2(ref reader, ref header);
                    break;
                default:
                    reader.Skip(field);
                    break;
            }
        }

        MetadataReader.Require(seen, "page header", (1, "type"), (2, "uncompressed size"), (3, "compressed size"));
        RequireMatchingHeader(header.Type, seen);
        byteCount = reader.Position;
        return header;
    }

    private static void RequireMatchingHeader(PageType type, int seen)
    {
        switch (type)
        {
            case PageType.DATA_PAGE:
                MetadataReader.Require(seen, "page header", (5, "data page header"));
                break;
            case PageType.DICTIONARY_PAGE:
                MetadataReader.Require(seen, "page header", (7, "dictionary page header"));
                break;
            case PageType.DATA_PAGE_V2:
                MetadataReader.Require(seen, "page header", (8, "data page V2 header"));
                break;
        }
    }

    // Data page V1 and dictionary page share ids: 1 count, 2 encoding. The level encodings of V1 (3, 4) are not looked at: levels
    // are RLE in every file met, and BIT_PACKED stands there only where there are none or where it is untrue.
    private static void ReadCountAndEncoding(ref CompactReader reader, ref PageHeader header, string structure)
    {
        var seen = 0;
        for (var lastId = 0; reader.NextField(ref lastId, out var field); seen |= MetadataReader.Seen(field))
        {
            switch (field.Id)
            {
                case 1:
                    header.ValueCount = reader.Int32(field);
                    break;
                case 2:
                    header.Encoding = (Encoding)reader.Int32(field);
                    break;
                default:
                    reader.Skip(field);
                    break;
            }
        }

        MetadataReader.Require(seen, structure, (1, "number of values"), (2, "encoding"));
    }

    private static void ReadVersion2(ref CompactReader reader, ref PageHeader header)
    {
        var seen = 0;
        for (var lastId = 0; reader.NextField(ref lastId, out var field); seen |= MetadataReader.Seen(field))
        {
            switch (field.Id)
            {
                case 1:
                    header.ValueCount = reader.Int32(field);
                    break;
                case 4:
                    header.Encoding = (Encoding)reader.Int32(field);
                    break;
                case 5:
                    header.DefinitionLevelsByteCount = reader.Int32(field);
                    break;
                case 6:
                    header.RepetitionLevelsByteCount = reader.Int32(field);
                    break;
                case 7:
                    header.IsCompressed = reader.Bool(field);
                    break;
                default:
                    reader.Skip(field);
                    break;
            }
        }

        MetadataReader.Require(
            seen,
            "data page V2 header",
            (1, "number of values"),
            (4, "encoding"),
            (5, "definition level size"),
            (6, "repetition level size"));
    }
}
