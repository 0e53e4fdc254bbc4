using Parquet;
using ParquetSharp;

namespace KvShiftScale.Data.Tests.Parquet;

/// <summary>The ids of a file as programs read them that share nothing with our reader but, in one case, the package.</summary>
internal static class ShardReaders
{
    /// <summary>By ParquetSharp's own rows, which it makes from levels itself.</summary>
    public static int[]?[] ByRows(string path)
    {
        using var reader = new ParquetFileReader(path);
        var documents = new List<int[]?>();
        for (var index = 0; index < reader.FileMetaData.NumRowGroups; index++)
        {
            using var group = reader.RowGroup(index);
            using var column = group.Column(0).LogicalReader<int[]?>();
            documents.AddRange(column.ReadAll((int)group.MetaData.NumRows));
        }

        return [.. documents];
    }

    /// <summary>By the package that wrote it.</summary>
    public static async Task<int[]> ValuesByWriterAsync(string path)
    {
        await using var reader = await ParquetReader.CreateAsync(path);
        var field = reader.Schema.DataFields[0];
        var all = new List<int>();
        for (var index = 0; index < reader.RowGroupCount; index++)
        {
            using var group = reader.OpenRowGroupReader(index);
            var slots = checked((int)group.GetMetadata(field)!.MetaData!.NumValues);
            var (values, definition, repetition) = (new int[slots], new int[slots], new int[slots]);
            await group.ReadRawAsync<int>(field, values, definition, repetition);
            all.AddRange(values.Take(definition.Count(level => level == field.MaxDefinitionLevel)));
        }

        return [.. all];
    }
}
