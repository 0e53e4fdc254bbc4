namespace KvShiftScale.Data.Files;

/// <summary>A shard's file cannot be read although reading was repeated, or is no longer what it was when reading began.</summary>
public sealed class ShardFileException : IOException
{
    private ShardFileException(string fault, string remedy, Exception? inner) : base($"{fault} {remedy}", inner) => Fault = fault;

    /// <summary>What is wrong with the file; the message says what to do about a shard, too.</summary>
    public string Fault { get; }

    internal static ShardFileException Unreadable(string path, string operation, int attempts, Exception last)
        => new($"{path}: {operation} failed {attempts} times, the last time with: {last.Message} Nothing was taken from the failed reads.",
            "Look after the file system, then start again; data.read_retries says how often a read is repeated.", last);

    internal static ShardFileException Changed(string path, FileStamp before, FileStamp now)
        => new($"{path}: changed while in use: {before} when reading began, {now} now.", "Shards must not change while they are read. "
            + "Put the file back, or start again to have its content compared with that of the last checkpoint.", null);

    internal static ShardFileException Shrunk(string path, FileStamp before, long offset)
        => new($"{path}: ends at byte {offset}, but had {before.Length} bytes when reading began: it was cut while in use.",
            "Shards must not change while they are read. Put the file back, then start again.", null);
}
