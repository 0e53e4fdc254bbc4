using System.Numerics;
using Parquet;
using Parquet.Schema;

namespace KvShiftScale.Data.Tests.Parquet;

/// <summary>Reads and writes an <c>input_ids</c> list column as documents, with the public API only.</summary>
internal static class TokenColumn
{
    public static DataField Find(ParquetReader reader) => reader.Schema.DataFields.Single(field => field.Path.FirstPart == "input_ids");

    /// <summary>All documents of all row groups, of whichever integer type.</summary>
    public static async Task<int[]?[]> ReadAsync(string path)
    {
        await using var reader = await ParquetReader.CreateAsync(path);
        return await ReadAsync(reader);
    }

    public static async Task<int[]?[]> ReadAsync(ParquetReader reader)
    {
        var field = Find(reader);
        var documents = new List<int[]?>();
        for (var i = 0; i < reader.RowGroupCount; i++)
        {
            using var group = reader.OpenRowGroupReader(i);
            documents.AddRange(field.ClrType == typeof(int) ? await ReadGroupAsync<int>(group, field)
                : field.ClrType == typeof(long) ? await ReadGroupAsync<long>(group, field)
                : await ReadGroupAsync<ushort>(group, field));
        }

        return [.. documents];
    }

    public static async Task<List<int[]?>> ReadGroupAsync<T>(ParquetRowGroupReader group, DataField field)
        where T : unmanaged, IBinaryInteger<T>
    {
        var slots = checked((int)group.GetMetadata(field)!.MetaData!.NumValues);
        var (values, definitions, repetitions) = (new T[slots], new int[slots], new int[slots]);
        await group.ReadRawAsync<T>(field, values, definitions, repetitions);

        // A slot belongs to a list that is not empty when its level reaches that of the repeated node.
        var inList = field.MaxDefinitionLevel - (field.IsNullable && !field.IsArray ? 1 : 0);
        var documents = new List<int[]?>();
        var current = new List<int>();
        var value = 0;
        for (var slot = 0; slot < slots; slot++)
        {
            if (definitions[slot] >= inList)
            {
                current.Add(int.CreateChecked(values[value++]));
            }

            if (slot + 1 == slots || repetitions[slot + 1] == 0)
            {
                documents.Add(definitions[slot] == 0 && inList == 2 ? null : [.. current]);
                current.Clear();
            }
        }

        return documents;
    }

    /// <summary>Writes documents as a list of required elements, a row group after every <paramref name="groupLength"/> of them.</summary>
    public static async Task WriteAsync<T>(string path, int[]?[] documents, int groupLength, ParquetOptions options)
        where T : unmanaged, IBinaryInteger<T>
    {
        var element = new DataField<T>("element", nullable: false);
        var schema = new ParquetSchema(new ListField("input_ids", element));
        await using var file = File.Create(path);
        await using var writer = await ParquetWriter.CreateAsync(schema, file, options);
        foreach (var part in documents.Chunk(groupLength))
        {
            using var group = writer.CreateRowGroup();
            var (values, definitions, repetitions) = Levels<T>(part);
            await group.WriteAllPartsAsync<T>(element, values, definitions, repetitions, CancellationToken.None);
            group.CompleteValidate();
        }
    }

    private static (T[] Values, int[] Definitions, int[] Repetitions) Levels<T>(int[]?[] documents)
        where T : unmanaged, IBinaryInteger<T>
    {
        var (values, definitions, repetitions) = (new List<T>(), new List<int>(), new List<int>());
        foreach (var document in documents)
        {
            if (document is not { Length: > 0 })
            {
                definitions.Add(document == null ? 0 : 1);
                repetitions.Add(0);
                continue;
            }

            for (var i = 0; i < document.Length; i++)
            {
                values.Add(T.CreateChecked(document[i]));
                definitions.Add(2);
                repetitions.Add(i == 0 ? 0 : 1);
            }
        }

        return ([.. values], [.. definitions], [.. repetitions]);
    }
}
