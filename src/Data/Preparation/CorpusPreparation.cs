using KvShiftScale.Core;
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
    /// <param name="folder">Where the shards go, or <c>train</c> and <c>validation</c> with them; made when it is missing.</param>
    /// <param name="report">Called from the calling thread after each portion of text, and while input is read over.</param>
    /// <param name="cancellation">Ends the work between portions; complete shards stay.</param>
    /// <param name="looking">Called from the calling thread as Parquet files are looked at before any work: how many have been.</param>
    /// <exception cref="FileNotFoundException">A path stands for no file.</exception>
    /// <exception cref="InvalidDataException">
    /// A file is of an unknown kind, or a JSON line lacks the field. Or files are damaged: then the documents of all others are in shards when this is
    /// thrown, without a manifest, and starting again goes on before the first of these files.
    /// </exception>
    /// <exception cref="PreparationConflictException">The folder holds other work, or another process works in it.</exception>
    /// <exception cref="UsageException">
    /// A Parquet file has no such column of texts, there are fewer files than parts, or no document is kept for validation, or none for training.
    /// </exception>
    /// <exception cref="OperationCanceledException">The work was cancelled.</exception>
    public PreparationResult Run(
        IReadOnlyList<string> globs, string folder, Action<PreparationProgress>? report = null, CancellationToken cancellation = default,
        Action<int>? looking = null)
    {
        var all = TextDocuments.Files(globs, new OwnFiles(folder, options.TokenizerPath).WhatIs, options.Selection);
        var files = options.Part?.Of(all) ?? all;
        var wanted = new PreparationRecord(options.AppendEndOfText, options.Field, options.ShardTokens, 0, [])
        {
            TextColumn = options.Selection.TextColumn,
            As = options.Selection.KindName,
            Part = options.Part,
            ValidationPercent = options.Validation?.Percent,
            EndOfTextId = options.EndOfTextIdOf(tokenizer),
            BeginOfTextId = options.BeginOfTextId,
            SpecialTokens = PreparationRecord.NameOf(options.SpecialTokens),
            SkipsBadLines = options.SkipsBadLines,
        };
        var folders = new PreparationFolders(folder, wanted);
        folders.RequireOneSet(tokenizer);
        foreach (var finished in folders.All.Where(made => File.Exists(Path.Combine(made, ShardManifest.FileName))))
        {
            RequireSameWork(finished, ShardManifest.Read(finished), wanted, files.Paths, isFinished: true);
        }

        if (File.Exists(Path.Combine(folders.Training, ShardManifest.FileName)))
        {
            var finished = ShardManifest.Read(folders.Training);
            return new PreparationResult(finished, WasFinished: true, finished.Files.Count)
            {
                Validation = folders.Validation is { } kept ? ShardManifest.Read(kept) : null,
                LeftOut = files.LeftOut,
            };
        }

        files.RequireTexts(looking);
        Directory.CreateDirectory(folders.Training);
        using var mine = Lock(folders.Training);
        var journal = PreparationJournal.Read(folders.Training, folders.Validation);
        if (journal is not null)
        {
            RequireSameWork(folders.Training, journal.Done, wanted, files.Paths, isFinished: false);
        }

        var (manifest, validation) = Prepare(files, folders, wanted, journal, report, cancellation);
        PreparationJournal.Remove(folders.Training);
        return new PreparationResult(manifest, WasFinished: false, journal?.Done.Files.Count ?? 0)
        {
            Validation = validation,
            LeftOut = files.LeftOut,
        };
    }

    private (ShardManifest Training, ShardManifest? Validation) Prepare(
        CorpusFiles files, PreparationFolders folders, PreparationRecord wanted, PreparationJournal? journal, Action<PreparationProgress>? report,
        CancellationToken cancellation)
    {
        using var outputs = Outputs(folders, wanted, journal);
        var reader = new CorpusReader(files, journal?.Done.Preparation?.Inputs ?? [], journal?.Input ?? 0, journal?.Documents ?? 0,
            reading => Report(reading, outputs.Total));
        var places = new JournalPlaces(journal);
        new TokenizationPipeline(tokenizer, options).Run(
            reader.Documents(), outputs, progress => Report(reader, progress), ShardIsComplete, cancellation);
        if (reader.Faults.Count > 0)
        {
            throw Unfinished(folders.Training, outputs, reader, places);
        }

        RequireDocuments(files, folders, outputs);
        return outputs.Complete(wanted with { Inputs = reader.Inputs });

        void Report(CorpusReader reading, TokenizationProgress progress) => report?.Invoke(new PreparationProgress(
            progress.Documents, progress.TextBytes, progress.Tokens, reading.BytesRead, reading.TotalBytes));

        void ShardIsComplete(RawDocument last)
        {
            var number = reader.NumberOf(last);
            // What comes after a damaged file is made again when that file is whole.
            if (reader.Faults.Count > 0 && reader.Faults[0].Number <= number)
            {
                return;
            }

            var place = outputs.Journal(wanted with { Inputs = [.. reader.Inputs.Take(number + 1)] }, number, last.Index + 1);
            place.Write(folders.Training);
            places.Add(place);
        }
    }

    private PreparationOutputs Outputs(PreparationFolders folders, PreparationRecord wanted, PreparationJournal? journal)
    {
        var training = Writer(folders.Training, journal?.Done);
        if (folders.Validation is not { } kept)
        {
            return new PreparationOutputs(training, Sums(journal?.Done));
        }

        Directory.CreateDirectory(kept);
        // Left by a launch that ended between the two manifests.
        File.Delete(Path.Combine(kept, ShardManifest.FileName));
        return new PreparationOutputs(training, Sums(journal?.Done), Writer(kept, journal?.Validation), Sums(journal?.Validation));

        ShardFolderWriter Writer(string folder, ShardManifest? done) => new(folder, ShardName, options.ShardTokens,
            new ShardWriterOptions
            {
                // Shards of one folder have one hash, also where an earlier version gave the tokenizer another one.
                TokenizerHash = journal?.Done.Tokenizer ?? tokenizer.Hash,
                VocabularySize = tokenizer.VocabularySize,
                EndOfTextId = wanted.EndOfTextId,
                BeginOfTextId = wanted.BeginOfTextId,
            }, done?.Files);

        static TokenizationProgress Sums(ShardManifest? done) => new(done?.Rows ?? 0, done?.Preparation?.TextBytes ?? 0, done?.Tokens ?? 0)
        {
            ReplacedSequences = done?.Preparation?.ReplacedSequences ?? 0,
            DocumentsReplacedIn = done?.Preparation?.DocumentsReplacedIn ?? 0,
            LeftOutLines = done?.Preparation?.LeftOutLines ?? 0,
            FirstLeftOut = done?.Preparation?.FirstLeftOut,
        };
    }

    private void RequireDocuments(CorpusFiles files, PreparationFolders folders, PreparationOutputs outputs)
    {
        var total = outputs.Total;
        if (total is { Documents: 0, FirstLeftOut: [var first, ..] })
        {
            throw new InvalidDataException(FormattableString.Invariant(
                $"none of {total.LeftOutLines} lines or rows has a text; wanted at least one. The first: {first} Nothing was written."));
        }

        if (total.Documents == 0)
        {
            throw new InvalidDataException(FormattableString.Invariant(
                $"{files.Paths[0]}{(files.Paths.Count == 1 ? "" : $" and {files.Paths.Count - 1} more")}: found no document in them; wanted text. Nothing was written."));
        }

        // Of parts, some may have none.
        if (options is { Validation: { } share, Part: null } && (outputs.Validation.Documents == 0 || outputs.Training.Documents == 0))
        {
            throw new UsageException(FormattableString.Invariant(
                $"found {outputs.Training.Documents} documents for training and {outputs.Validation.Documents} for validation, of which {share.Percent} % are wanted; wanted at least one on each side. Remove {folders.Root}, and choose another share or give more documents"));
        }
    }

    private static InvalidDataException Unfinished(string folder, PreparationOutputs outputs, CorpusReader reader, JournalPlaces places)
    {
        outputs.CompleteShard();
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
            $"{reader.Faults.Count} of {reader.Inputs.Count} files could not be read to their end:\n{faults}{more}\nWhat could be read is in {outputs.CompleteShards} shards of {folder}, which has no {ShardManifest.FileName} and is not finished. Mend or remove these files and start the same command again; it goes on {(places.Before(reader.Faults[0].Number) is { Done.Files.Count: var count } ? $"after shard {count}" : "from the beginning")}."));
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
