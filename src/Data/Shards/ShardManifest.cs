using System.Text.Json;
using System.Text.Json.Serialization;
using KvShiftScale.Core.Files;

namespace KvShiftScale.Data.Shards;

/// <summary><c>manifest.json</c> of a folder of shards: what is in it. It is written last, so a folder that has one is complete.</summary>
/// <param name="Tokenizer">Hash of the tokenizer.</param>
/// <param name="VocabularySize">Ids are below it.</param>
/// <param name="Rows">Documents of all files.</param>
/// <param name="Tokens">Tokens of all files.</param>
/// <param name="Files">The shards in order.</param>
public sealed record ShardManifest(
    string Tokenizer, int VocabularySize, long Rows, long Tokens, IReadOnlyList<ShardManifest.Entry> Files)
{
    /// <summary>Name of the file in its folder.</summary>
    public const string FileName = "manifest.json";

    private static readonly JsonSerializerOptions Format = new()
    {
        WriteIndented = true,
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    };

    /// <summary>Lengths of all documents; null in manifests that have none.</summary>
    public DocumentLengths? Lengths { get; init; }

    /// <summary>What the shards were made from; null where they were not made from text, or by a version that did not say.</summary>
    public PreparationRecord? Preparation { get; init; }

    /// <summary>Reads the manifest of a folder.</summary>
    /// <exception cref="FileNotFoundException">The folder has none.</exception>
    /// <exception cref="InvalidDataException">It is not a manifest.</exception>
    public static ShardManifest Read(string folder) => ReadJson<ShardManifest>(Path.Combine(folder, FileName));

    /// <summary>The manifest of a folder; null where it has none, or where a file of this name is something else.</summary>
    internal static ShardManifest? Find(string folder)
    {
        try
        {
            return File.Exists(Path.Combine(folder, FileName)) && Read(folder) is { Tokenizer: not null, Files: { } files } manifest
                && files.All(file => file is { Name: not null }) ? manifest : null;
        }
        catch (Exception gone) when (gone is InvalidDataException or FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
    }

    internal static T ReadJson<T>(string path)
    {
        try
        {
            return JsonSerializer.Deserialize<T>(File.ReadAllBytes(path), Format)
                ?? throw new InvalidDataException($"{path}: is empty; prepare the folder again.");
        }
        catch (JsonException exception)
        {
            throw new InvalidDataException($"{path}: {exception.Message} Prepare the folder again.", exception);
        }
    }

    internal static void WriteJson<T>(string path, T value) => DurableFile.Replace(path, JsonSerializer.SerializeToUtf8Bytes(value, Format));

    internal void Write(string folder) => WriteJson(Path.Combine(folder, FileName), this);

    /// <summary>One shard.</summary>
    /// <param name="Name">File name.</param>
    /// <param name="Rows">Documents.</param>
    /// <param name="Tokens">Tokens.</param>
    /// <param name="Bytes">Length of the file.</param>
    public sealed record Entry(string Name, long Rows, long Tokens, long Bytes)
    {
        /// <summary>Checksum of the documents, as <see cref="ShardVerification"/> finds it; null in manifests that have none.</summary>
        public string? Sha256 { get; init; }

        /// <summary>Lengths of the documents; null in manifests that have none.</summary>
        public DocumentLengths? Lengths { get; init; }
    }
}
