using KvShiftScale.Data.Corpus;
using KvShiftScale.Data.Shards;
using KvShiftScale.Data.Text;
using KvShiftScale.Data.Tokenization;

namespace KvShiftScale.Data.Preparation;

/// <summary>
/// Turns files of text into a folder of token shards, documents in the order of the input. Work that was interrupted goes on after the last
/// complete shard when it is started again, and ends with the same bytes as if it had not been; finished work is left alone. Input that has
/// changed in between is refused.
/// </summary>
/// <param name="tokenizer">Used by all threads at once.</param>
/// <param name="options">What to read, and how to write.</param>
public sealed class CorpusPreparation(TokenizerModel tokenizer, PreparationOptions options)
{
    internal const string ShardName = "shard";
    private const string LockName = ".lock";

    // Named in full; of more the number is said.
    private const int MostFaults = 20;

    /// <summary>Prepares a folder.</summary>
    /// <param name="globs">Files, folders and patterns of text. What this program has written itself is left out.</param>
    /// <param name="folder">Where the shards go; made when it is missing.</param>
    /// <param name="report">Called from the calling thread after each portion of text.</param>
    /// <param name="cancellation">Ends the work between portions; complete shards stay.</param>
    /// <exception cref="FileNotFoundException">A path stands for no file.</exception>
    /// <exception cref="InvalidDataException">
    /// A file is of an unknown kind, or a JSON line lacks the field. Or files are damaged: then the documents of all others are in shards when this is
    /// thrown, without a manifest, and starting again goes on before the first of these files.
    /// </exception>
    /// <exception cref="PreparationConflictException">The folder holds other work, or another process works in it.</exception>
    /// <exception cref="OperationCanceledException">The work was cancelled.</exception>
    public PreparationResult Run(
        IReadOnlyList<string> globs, string folder, Action<PreparationProgress>? report = null, CancellationToken cancellation = default)
    {
        var found = TextDocuments.Files(globs, new OwnFiles(folder, options.TokenizerPath).WhatIs);
        var paths = found.Paths;
        var wanted = new PreparationRecord(options.AppendEndOfText, options.Field, options.ShardTokens, 0, [])
        {
            EndOfTextId = options.EndOfTextIdOf(tokenizer),
            BeginOfTextId = options.BeginOfTextId,
            SpecialTokens = PreparationRecord.NameOf(options.SpecialTokens),
            SkipsBadLines = options.SkipsBadLines,
        };
        if (File.Exists(Path.Combine(folder, ShardManifest.FileName)))
        {
            var finished = ShardManifest.Read(folder);
            RequireSameWork(folder, finished, wanted, paths, isFinished: true);
            return new PreparationResult(finished, WasFinished: true, finished.Files.Count) { LeftOut = found.LeftOut };
        }

        Directory.CreateDirectory(folder);
        using var mine = Lock(folder);
        var journal = PreparationJournal.Read(folder);
        if (journal is not null)
        {
            RequireSameWork(folder, journal.Done, wanted, paths, isFinished: false);
        }

        var manifest = Prepare(paths, folder, wanted, journal, report, cancellation);
        PreparationJournal.Remove(folder);
        return new PreparationResult(manifest, WasFinished: false, journal?.Done.Files.Count ?? 0) { LeftOut = found.LeftOut };
    }

    private ShardManifest Prepare(
        IReadOnlyList<string> paths, string folder, PreparationRecord wanted, PreparationJournal? journal, Action<PreparationProgress>? report,
        CancellationToken cancellation)
    {
        var reader = new CorpusReader(paths, journal?.Done.Preparation?.Inputs ?? [], journal?.Input ?? 0, journal?.Documents ?? 0);
        using var writer = new ShardFolderWriter(folder, ShardName, options.ShardTokens,
            new ShardWriterOptions
            {
                // Shards of one folder have one hash, also where an earlier version gave the tokenizer another one.
                TokenizerHash = journal?.Done.Tokenizer ?? tokenizer.Hash,
                VocabularySize = tokenizer.VocabularySize,
                EndOfTextId = wanted.EndOfTextId,
                BeginOfTextId = wanted.BeginOfTextId,
            }, journal?.Done.Files);
        var done = journal?.Done.Preparation;
        var before = new TokenizationProgress(journal?.Done.Rows ?? 0, done?.TextBytes ?? 0, journal?.Done.Tokens ?? 0)
        {
            ReplacedSequences = done?.ReplacedSequences ?? 0,
            DocumentsReplacedIn = done?.DocumentsReplacedIn ?? 0,
            LeftOutLines = done?.LeftOutLines ?? 0,
            FirstLeftOut = done?.FirstLeftOut,
        };
        var pipeline = new TokenizationPipeline(tokenizer, options);
        var places = new JournalPlaces(journal);
        var total = pipeline.Run(reader.Documents(), writer, before, Report, ShardIsComplete, cancellation);
        if (reader.Faults.Count > 0)
        {
            throw Unfinished(folder, writer, reader, places);
        }

        if (total is { Documents: 0, FirstLeftOut: [var first, ..] })
        {
            throw new InvalidDataException(FormattableString.Invariant(
                $"none of {total.LeftOutLines} lines has a text; wanted at least one. The first: {first} Nothing was written."));
        }

        if (total.Documents == 0)
        {
            throw new InvalidDataException(FormattableString.Invariant(
                $"{paths[0]}{(paths.Count == 1 ? "" : $" and {paths.Count - 1} more")}: found no document in them; wanted text. Nothing was written."));
        }

        return writer.Complete(wanted.With(total) with { Inputs = reader.Inputs });

        void Report(TokenizationProgress progress) => report?.Invoke(new PreparationProgress(
            progress.Documents, progress.TextBytes, progress.Tokens, reader.BytesRead, reader.TotalBytes));

        void ShardIsComplete(RawDocument last, TokenizationProgress progress)
        {
            var number = reader.NumberOf(last);
            // What comes after a damaged file is made again when that file is whole.
            if (reader.Faults.Count > 0 && reader.Faults[0].Number <= number)
            {
                return;
            }

            var inputs = reader.Inputs.Take(number + 1).ToArray();
            var place = new PreparationJournal(writer.Manifest(wanted.With(progress) with { Inputs = inputs }), number, last.Index + 1);
            place.Write(folder);
            places.Add(place);
        }
    }

    private static InvalidDataException Unfinished(string folder, ShardFolderWriter writer, CorpusReader reader, JournalPlaces places)
    {
        writer.CompleteShard();
        if (places.Before(reader.Faults[0].Number) is { } place)
        {
            place.Write(folder);
        }
        else
        {
            PreparationJournal.Remove(folder);
        }

        var faults = string.Join('\n', reader.Faults.Take(MostFaults).Select(fault => "  " + fault.Fault));
        var more = reader.Faults.Count > MostFaults ? FormattableString.Invariant($"\n  and {reader.Faults.Count - MostFaults} more") : "";
        return new InvalidDataException(FormattableString.Invariant(
            $"{reader.Faults.Count} of {reader.Inputs.Count} files could not be read to their end:\n{faults}{more}\nWhat could be read is in {writer.CompleteShards.Count} shards of {folder}, which has no {ShardManifest.FileName} and is not finished. Mend or remove these files and start the same command again; it goes on {(places.Before(reader.Faults[0].Number) is { Done.Files.Count: var count } ? $"after shard {count}" : "from the beginning")}."));
    }

    private void RequireSameWork(string folder, ShardManifest there, PreparationRecord wanted, IReadOnlyList<string> paths, bool isFinished)
    {
        // A version that wrote no id of it took the one of the first known name.
        var record = there.Preparation is { EndOfText: true, EndOfTextId: null } older ? older with { EndOfTextId = tokenizer.EndOfTextIdByName }
            : there.Preparation;
        var difference = !tokenizer.IsNamedBy(there.Tokenizer)
            ? $"its tokenizer is {there.Tokenizer}, and the one given is {tokenizer.Hash}"
            : record?.DifferenceFrom(wanted, paths, isFinished);
        if (difference is not null)
        {
            throw new PreparationConflictException(
                $"{folder} holds {(isFinished ? "finished" : "unfinished")} shards of other work: {difference}. Remove the folder, or choose another one");
        }
    }

    private static FileStream Lock(string folder)
    {
        var path = Path.Combine(folder, LockName);
        try
        {
            // Held by the operating system as long as the process lives; a file that a kill left behind is free.
            return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 1, FileOptions.DeleteOnClose);
        }
        catch (IOException error) when (File.Exists(path))
        {
            throw new PreparationConflictException($"another process is preparing {folder} ({error.Message}). Wait for it, or choose another folder");
        }
    }
}
