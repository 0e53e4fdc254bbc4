using System.Buffers.Binary;
using Parquet.Meta;
using Parquet.Schema;
using Parquet.Thrift;

namespace Parquet.Columns;

/// <summary>Finds, reads and checks the footer: magic, thrift, length of the footer and the magic again close the file.</summary>
internal static class FooterReader
{
    public const int TailByteCount = 8;

    public static ReadOnlySpan<byte> Magic => "PAR1"u8;

    private static ReadOnlySpan<byte> EncryptedMagic => "PARE"u8;

    /// <returns>The footer, its schema, and the byte at which it begins, before which all pages lie.</returns>
    public static async ValueTask<(FileMetaData Metadata, ParquetSchema Schema, long Offset)> ReadAsync(
        ByteSource source, CancellationToken cancellationToken)
    {
        var fileLength = source.Length;
        if (fileLength < Magic.Length + TailByteCount)
        {
            throw new ParquetException($"{source.Name}: {fileLength} bytes are too few for a Parquet file.");
        }

        var ends = new byte[Magic.Length + TailByteCount];
        await source.ReadAsync(0, ends.AsMemory(0, Magic.Length), cancellationToken).ConfigureAwait(false);
        await source.ReadAsync(fileLength - TailByteCount, ends.AsMemory(Magic.Length), cancellationToken).ConfigureAwait(false);
        RequireMagic(source.Name, "begins", ends.AsSpan(0, Magic.Length));
        RequireMagic(source.Name, "ends", ends.AsSpan(Magic.Length + 4));

        var footerLength = BinaryPrimitives.ReadInt32LittleEndian(ends.AsSpan(Magic.Length));
        var offset = fileLength - TailByteCount - footerLength;
        if (footerLength <= 0 || offset < Magic.Length)
        {
            throw new ParquetException(
                $"{source.Name}: its tail states a footer of {footerLength} bytes in a file of {fileLength}; the file is damaged or cut.");
        }

        var footer = new byte[footerLength];
        await source.ReadAsync(offset, footer, cancellationToken).ConfigureAwait(false);
        try
        {
            var metadata = MetadataReader.ReadFile(footer);
            var schema = new SchemaReader(metadata.Schema).Read();
            RequireChunks(metadata, schema.DataFields);
            return (metadata, schema, offset);
        }
        catch (DecodeException e)
        {
            throw new ParquetException($"{source.Name}: footer at byte {offset}: {e.Message}.", e);
        }
    }

    private static void RequireMagic(string name, string verb, ReadOnlySpan<byte> found)
    {
        if (found.SequenceEqual(EncryptedMagic))
        {
            throw new ParquetException($"{name}: the file is encrypted (PARE); encryption is not supported.");
        }

        if (!found.SequenceEqual(Magic))
        {
            throw new ParquetException(
                $"{name}: the file {verb} with {Convert.ToHexString(found)} instead of 50415231 (PAR1); it is cut, or no Parquet file.");
        }
    }

    // Columns are matched by position: path_in_schema is redundant, and newer writers may leave it out.
    private static void RequireChunks(FileMetaData metadata, DataField[] leaves)
    {
        var rows = 0L;
        for (var i = 0; i < metadata.RowGroups.Count; i++)
        {
            var group = metadata.RowGroups[i];
            if (group.NumRows < 0)
            {
                throw new DecodeException($"row group {i} with {group.NumRows} rows");
            }

            if (group.Columns.Count != leaves.Length)
            {
                throw new DecodeException($"row group {i} has {group.Columns.Count} columns where the schema has {leaves.Length}");
            }

            for (var k = 0; k < leaves.Length; k++)
            {
                RequireAgreement(group.Columns[k], leaves[k], i);
            }

            rows = unchecked(rows + group.NumRows);
        }

        if (rows != metadata.NumRows)
        {
            throw new DecodeException($"{metadata.NumRows} rows stated where the row groups have {rows}");
        }
    }

    private static void RequireAgreement(ColumnChunk chunk, DataField leaf, int rowGroup)
    {
        if (chunk.MetaData is { } metadata && metadata.Type != leaf.Stored.Physical)
        {
            throw new DecodeException(
                $"row group {rowGroup}, column {leaf.Path}: stored as {metadata.Type} where the schema says {leaf.Stored.Physical}");
        }

        // Of an encrypted column, the metadata may be encrypted too.
        if (chunk.MetaData == null && !chunk.IsEncrypted)
        {
            throw new DecodeException($"row group {rowGroup}, column {leaf.Path}: a column chunk without metadata");
        }
    }
}
