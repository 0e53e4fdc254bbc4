namespace KvShiftScale.Data.Finding;

/// <summary>Takes each file from the first of several paths that find it.</summary>
internal sealed class FilesOnce
{
    private readonly Dictionary<FileIdentity, string> _first = [];
    private readonly List<LeftOutName> _leftOut = [];

    /// <summary>What was left out so far, by the searches too.</summary>
    public IReadOnlyList<LeftOutName> LeftOut => _leftOut;

    /// <summary>What a path has found less what earlier ones have.</summary>
    public FoundFiles Add(FoundFiles found)
    {
        _leftOut.AddRange(found.LeftOut);
        var names = new List<string>();
        foreach (var name in found.Files)
        {
            var path = Path.Combine(found.Folder, name);
            if (FileIdentity.Of(path) is not { Identity: var identity } || _first.TryAdd(identity, path))
            {
                names.Add(name);
            }
            // Two patterns that find it by the same name are no news.
            else if (_first[identity] != path)
            {
                _leftOut.Add(new LeftOutName(path, LeftOutReason.SameFile, _first[identity]));
            }
        }

        return found with { Files = names };
    }
}
