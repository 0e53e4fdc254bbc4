using KvShiftScale.Data.Shards;
using KvShiftScale.Data.Text;

namespace KvShiftScale.Data.Preparation;

/// <summary>
/// Where documents go: shards of training, and of validation where some are kept for it. When one of them has filled a shard the other ends its
/// own, so that work can go on from there.
/// </summary>
/// <param name="training">Open; this one closes it.</param>
/// <param name="trainingBefore">Sums that those over the documents of training, and over lines that are no documents, are added to.</param>
/// <param name="validation">Open; null where nothing is kept.</param>
/// <param name="validationBefore">Sums that those over the documents of validation are added to.</param>
internal sealed class PreparationOutputs(
    ShardFolderWriter training, TokenizationProgress trainingBefore = default, ShardFolderWriter? validation = null,
    TokenizationProgress validationBefore = default) : IDisposable
{
    /// <summary>Sums over the documents of training, and over lines that are no documents.</summary>
    public TokenizationProgress Training { get; private set; } = trainingBefore;

    /// <summary>Sums over the documents of validation.</summary>
    public TokenizationProgress Validation { get; private set; } = validationBefore;

    /// <summary>Sums over all.</summary>
    public TokenizationProgress Total => Training.And(Validation);

    /// <summary>Shards that are on disk.</summary>
    public int CompleteShards => training.CompleteShards.Count + (validation?.CompleteShards.Count ?? 0);

    /// <summary>Adds one document.</summary>
    /// <param name="ids">Its ids.</param>
    /// <param name="textBytes">Bytes of its text in UTF-8.</param>
    /// <param name="replaced">Broken places in it.</param>
    /// <param name="isValidation">Whether it is kept for validation.</param>
    /// <returns>Whether all documents so far are in complete shards.</returns>
    public bool Append(ReadOnlySpan<int> ids, int textBytes, long replaced, bool isValidation)
    {
        var before = CompleteShards;
        if (isValidation)
        {
            validation!.Append(ids);
            Validation = Validation.With(textBytes, ids.Length, replaced);
        }
        else
        {
            training.Append(ids);
            Training = Training.With(textBytes, ids.Length, replaced);
        }

        if (CompleteShards == before)
        {
            return false;
        }

        CompleteShard();
        return true;
    }

    /// <summary>Counts a line that is no document.</summary>
    public void LeaveOut(LeftOutLine line) => Training = Training.Without(line);

    /// <summary>Ends the shards being written before they are full.</summary>
    public void CompleteShard()
    {
        training.CompleteShard();
        validation?.CompleteShard();
    }

    /// <summary>The place after the last complete shards.</summary>
    /// <param name="preparation">What shards are made from, but for sums.</param>
    /// <param name="input">Number of the file that the next document comes from.</param>
    /// <param name="documents">Documents of that file that are in shards.</param>
    public PreparationJournal Journal(PreparationRecord preparation, int input, long documents)
        => new(training.Manifest(preparation.With(Training)), input, documents) { Validation = validation?.Manifest(preparation.With(Validation)) };

    /// <summary>Ends the last shards and writes manifests, that of training last: where it is, all is.</summary>
    public (ShardManifest Training, ShardManifest? Validation) Complete(PreparationRecord preparation)
    {
        var kept = validation?.Complete(preparation.With(Validation));
        return (training.Complete(preparation.With(Training)), kept);
    }

    /// <summary>Gives up the shards being written.</summary>
    public void Dispose()
    {
        training.Dispose();
        validation?.Dispose();
    }
}
