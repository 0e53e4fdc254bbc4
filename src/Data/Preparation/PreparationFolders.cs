using KvShiftScale.Data.Corpus;
using KvShiftScale.Data.Shards;
using KvShiftScale.Data.Tokenization;

namespace KvShiftScale.Data.Preparation;

/// <summary>
/// The folders that one preparation writes, below the one that was named: <c>train</c> and <c>validation</c> where it keeps documents for
/// validation, and in these, or right below, one for each part where parts of a corpus are prepared by themselves.
/// </summary>
internal sealed class PreparationFolders
{
    private readonly PreparationRecord _wanted;

    /// <param name="root">The folder that was named.</param>
    /// <param name="wanted">What is to be prepared.</param>
    public PreparationFolders(string root, PreparationRecord wanted)
    {
        Root = root;
        _wanted = wanted;
        var splits = wanted.ValidationPercent is not null;
        Training = PartOf(splits ? Path.Combine(root, CorpusFolder.Training) : root);
        Validation = splits ? PartOf(Path.Combine(root, CorpusFolder.Validation)) : null;
    }

    /// <summary>The folder that was named.</summary>
    public string Root { get; }

    /// <summary>Folders of shards.</summary>
    public IEnumerable<string> All => Validation is null ? [Training] : [Training, Validation];

    /// <summary>Shards to train on, and the journal of the work.</summary>
    public string Training { get; }

    /// <summary>Shards of the documents that are kept for validation; null where none are.</summary>
    public string? Validation { get; }

    /// <summary>Looks at what other preparations have left below the named folder: shards of it are one set of data, of one tokenizer.</summary>
    /// <exception cref="PreparationConflictException">There is other work than parts of the same.</exception>
    public void RequireOneSet(TokenizerModel tokenizer)
    {
        foreach (var set in (string[])[Root, Path.Combine(Root, CorpusFolder.Training), Path.Combine(Root, CorpusFolder.Validation)])
        {
            var parts = Directory.Exists(set) ? Directory.GetDirectories(set, CorpusPart.FolderPattern) : [];
            foreach (var folder in parts.Order(StringComparer.Ordinal).Prepend(set).Where(folder => folder != Training && folder != Validation))
            {
                // What is only called a part may be another one's begun work, of which nothing tells yet.
                if (_wanted.Part is { } wanted && (set == Root || Validation is not null)
                    && CorpusPart.OfFolder(Path.GetFileName(folder)) is { } named && named.Count != wanted.Count)
                {
                    throw Conflict(folder, $"by its name it is {NameOf(named)} of the text, and {NameOf(wanted)} is wanted");
                }

                var there = ShardManifest.Find(folder) ?? PreparationJournal.Find(folder)?.Done;
                // What somebody has prepared into a folder of such a name by itself does not belong to this one.
                var isAlone = set != Root && _wanted.ValidationPercent is null && there?.Preparation?.ValidationPercent is null;
                if (there?.Preparation is { } record && !isAlone)
                {
                    RequireSibling(folder, there, record, tokenizer);
                }
            }
        }
    }

    private void RequireSibling(string folder, ShardManifest there, PreparationRecord record, TokenizerModel tokenizer)
    {
        var difference = record.Part?.Count != _wanted.Part?.Count ? $"it is {NameOf(record.Part)} of the text, and {NameOf(_wanted.Part)} is wanted"
            : !tokenizer.IsNamedBy(there.Tokenizer) ? $"its tokenizer is {there.Tokenizer}, and the one given is {tokenizer.Hash}"
            : record.SettingsDifferenceFrom(_wanted);
        if (difference is not null)
        {
            throw Conflict(folder, difference);
        }
    }

    private static PreparationConflictException Conflict(string folder, string difference)
        => new($"{folder} holds shards of other work: {difference}. Remove what it has of that work, or choose another --output");

    private static string NameOf(CorpusPart? part) => part is null ? "all" : FormattableString.Invariant($"part {part.Number} of {part.Count}");

    private string PartOf(string folder) => _wanted.Part is { } part ? Path.Combine(folder, part.FolderName) : folder;
}
