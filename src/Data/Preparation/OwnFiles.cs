using KvShiftScale.Data.Finding;
using KvShiftScale.Data.Shards;

namespace KvShiftScale.Data.Preparation;

/// <summary>
/// Files that this program writes and that may lie among its input: shards and their manifests, finished or not, and tokenizers. A folder of shards is
/// known by its manifest; the folders that the work at hand writes into or reads its tokenizer from are named.
/// </summary>
public sealed class OwnFiles
{
    private const string Partial = ".partial";

    private static readonly string[] TokenizerNames =
    [
        "tokenizer.json", "vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "config.json",
        "generation_config.json",
    ];

    private readonly FileIdentity? _shards;
    private readonly FileIdentity? _tokenizer;
    private readonly Dictionary<string, HashSet<string>> _shardsOf = new(StringComparer.Ordinal);

    /// <param name="shards">Folder that shards are written into; null where none are, and it need not be there.</param>
    /// <param name="tokenizer">Tokenizer that is read or written: its file or folder; null where there is none, and it need not be there.</param>
    public OwnFiles(string? shards, string? tokenizer)
    {
        _shards = IdentityOf(shards);
        _tokenizer = IdentityOf(tokenizer);
    }

    /// <summary>What a file is, for a person; null when this program has not written it.</summary>
    public string? WhatIs(string path)
    {
        var folder = Path.GetDirectoryName(path)!;
        var name = Path.GetFileName(path);
        if (_tokenizer is { } tokenizer
            && (IdentityOf(path) == tokenizer || (TokenizerNames.Contains(name) && IdentityOf(folder) == tokenizer)))
        {
            return "of the tokenizer";
        }

        if (!_shardsOf.TryGetValue(folder, out var names))
        {
            _shardsOf.Add(folder, names = Listed(folder));
        }

        if (names.Contains(name))
        {
            return "written by an earlier 'data prepare'";
        }

        var isShard = name.EndsWith(".parquet", StringComparison.Ordinal) || name.EndsWith(Partial, StringComparison.Ordinal);
        return isShard && name.StartsWith(CorpusPreparation.ShardName, StringComparison.Ordinal) && IsOutput(folder)
            ? "written by this 'data prepare'"
            : null;
    }

    // Sets of documents and parts of a corpus have folders below it, one within the other at most; other processes may be writing into them.
    private bool IsOutput(string folder)
        => _shards is { } shards
            && ((string[])[folder, Path.Combine(folder, ".."), Path.Combine(folder, "..", "..")]).Any(above => IdentityOf(above) == shards);

    // The manifest of a folder of shards, and what it lists.
    private static HashSet<string> Listed(string folder)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        if (ShardManifest.Find(folder) is { } finished)
        {
            names.Add(ShardManifest.FileName);
            names.UnionWith(finished.Files.Select(file => file.Name));
        }

        if (PreparationJournal.Find(folder) is { } unfinished)
        {
            names.Add(PreparationJournal.FileName);
            names.Add(PreparationJournal.FileName + Partial);
            names.Add(ShardManifest.FileName + Partial);
            names.UnionWith(unfinished.Done.Files.Select(file => file.Name));
        }

        return names;
    }

    private static FileIdentity? IdentityOf(string? path) => path is null ? null : FileIdentity.Of(path)?.Identity;
}
