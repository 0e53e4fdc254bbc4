namespace KvShiftScale.Data.Shards;

/// <summary>Files of token shards.</summary>
public static class ShardFiles
{
    /// <summary>The file that is named, or all shards (<c>*.parquet</c>) of the folder that is, in name order.</summary>
    /// <exception cref="FileNotFoundException">There is no such file, or the folder has no shard.</exception>
    public static IReadOnlyList<string> Of(string fileOrFolder)
    {
        if (!Directory.Exists(fileOrFolder))
        {
            return File.Exists(fileOrFolder)
                ? [fileOrFolder]
                : throw new FileNotFoundException($"found neither file nor folder {fileOrFolder}; wanted token shards", fileOrFolder);
        }

        var files = Directory.GetFiles(fileOrFolder, "*.parquet");
        Array.Sort(files, StringComparer.Ordinal);
        return files.Length > 0
            ? files
            : throw new FileNotFoundException($"{fileOrFolder} has no *.parquet file; name a shard or a folder of shards.", fileOrFolder);
    }
}
