using KvShiftScale.Data.Finding;

namespace KvShiftScale.Data.Shards;

/// <summary>The token shards that one path stands for.</summary>
internal static class ShardPath
{
    /// <summary>What a preparation keeps beside the shards until it is done.</summary>
    internal const string UnfinishedName = "unfinished.json";

    private static readonly string[] BesideShards = [ShardManifest.FileName, UnfinishedName];

    /// <summary>Finds them; what stands beside shards in a folder of 'data prepare' is no match of a pattern.</summary>
    /// <exception cref="FileNotFoundException">There are none, or a file of text is among them.</exception>
    public static FoundFiles Find(string given)
    {
        var found = DataPath.Find(given, DataFileKind.Shards);
        var shards = found.IsNamed ? found : found with { Files = [.. found.Files.Where(name => !BesideShards.Contains(Path.GetFileName(name)))] };
        if (shards.Files.FirstOrDefault(name => CorpusFileName.KindOf(name) is not (null or CorpusFileKind.Parquet)) is { } text)
        {
            throw new FileNotFoundException(
                $"{Path.Combine(shards.Folder, text)}, found by '{given}', has the name of a text; wanted token shards. Text becomes shards with 'kvshift data prepare'; "
                + "a pattern that ends in *.parquet finds them alone.", given);
        }

        return shards.Files.Count > 0 ? shards : throw new FileNotFoundException($"'{given}' finds a manifest and no shards; name shards, or a folder of them.", given);
    }
}
