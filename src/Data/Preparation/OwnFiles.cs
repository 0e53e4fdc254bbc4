using System.Text.RegularExpressions;
using KvShiftScale.Data.Finding;
using KvShiftScale.Data.Shards;

namespace KvShiftScale.Data.Preparation;

/// <summary>
/// Files that this program writes and that may lie among its input: shards and their manifests, finished or not, and tokenizers. A folder of shards is
/// known by its manifest, a shard that none lists by its name and its footer; the folder that the tokenizer at hand lies in is named.
/// </summary>
public sealed partial class OwnFiles
{
    private const string Partial = ".partial";

    private static readonly string[] TokenizerNames =
    [
        "tokenizer.json", "vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "config.json",
        "generation_config.json",
    ];

    private readonly FileIdentity? _tokenizer;
    private readonly Dictionary<string, HashSet<string>> _listedIn = new(StringComparer.Ordinal);

    /// <param name="tokenizer">Tokenizer that is read or written: its file or folder; null where there is none, and it need not be there.</param>
    public OwnFiles(string? tokenizer) => _tokenizer = IdentityOf(tokenizer);

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

        if (!_listedIn.TryGetValue(folder, out var names))
        {
            _listedIn.Add(folder, names = Listed(folder));
        }

        return names.Contains(name) || IsShard(path, name) ? "written by 'data prepare'" : null;
    }

    // One that no manifest lists: of a preparation whose manifest lies elsewhere, or behind the place where one was interrupted.
    private static bool IsShard(string path, string name)
    {
        if (!ShardName().IsMatch(name))
        {
            return false;
        }

        if (name.EndsWith(Partial, StringComparison.Ordinal))
        {
            return true;
        }

        try
        {
            using var shard = TokenShard.Open(path);
            return shard.TokenizerHash is not null;
        }
        catch (InvalidDataException)
        {
            // No ids, or damaged: whoever reads it says so.
            return false;
        }
    }

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

    [GeneratedRegex($@"^{CorpusPreparation.ShardName}-[0-9]{{5,}}\.parquet(\{Partial})?$")]
    private static partial Regex ShardName();
}
