using KvShiftScale.Data.Configuration;
using KvShiftScale.Data.Shards;
using Parquet;
using Parquet.Schema;

namespace KvShiftScale.Data.Tests.Shards;

/// <summary>A temporary folder of shards that the tests write.</summary>
public sealed class ShardFolder : IDisposable
{
    public const string Tokenizer = "0123456789abcdef";

    public string Folder { get; } = Directory.CreateTempSubdirectory("kvshift-shards-").FullName;

    public string Glob => Path.Combine(Folder, "*.parquet");

    public static ShardWriterOptions Options(int vocabularySize = 100_000, int rowGroupTokens = 1 << 20)
        => new() { TokenizerHash = Tokenizer, VocabularySize = vocabularySize, RowGroupTokens = rowGroupTokens };

    /// <summary>Documents of the given lengths whose tokens count up from <paramref name="first"/> through all of them.</summary>
    public static int[][] Consecutive(int first, params int[] lengths)
    {
        var next = first;
        return [.. lengths.Select(length => Enumerable.Range((next += length) - length, length).ToArray())];
    }

    /// <summary>Documents whose token k is 100 * document + k; lengths stay below 100, so ids tell where a document ends.</summary>
    public static int[][] Numbered(params int[] lengths)
        => [.. lengths.Select((length, document) => Enumerable.Range(100 * document, length).ToArray())];

    public string PathOf(string name) => Path.Combine(Folder, name);

    public string Write(string name, int[][] documents, int rowGroupTokens = 1 << 20, ShardWriterOptions? options = null)
    {
        using var writer = new TokenShardWriter(PathOf(name), options ?? Options(rowGroupTokens: rowGroupTokens));
        foreach (var document in documents)
        {
            writer.Append(document);
        }

        writer.Complete();
        return PathOf(name);
    }

    /// <summary>A file as another program might write it: slots of values and levels as given, in one row group.</summary>
    public string WriteForeign<T>(string name, Field column, T[] values, int[] definitionLevels, int[] repetitionLevels) where T : struct
    {
        var schema = new ParquetSchema(column);
        using var file = File.Create(PathOf(name));
        var writer = ParquetWriter.CreateAsync(schema, file).GetAwaiter().GetResult();
        using (var group = writer.CreateRowGroup())
        {
            group.WriteAllPartsAsync<T>(schema.DataFields[0], values, definitionLevels, repetitionLevels, CancellationToken.None)
                .GetAwaiter().GetResult();
        }

        writer.DisposeAsync().AsTask().GetAwaiter().GetResult();
        return PathOf(name);
    }

    public ShardCatalog Catalog() => ShardCatalog.Open([new DataSource(Glob)]);

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}
