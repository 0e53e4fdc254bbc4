using System.Globalization;
using KvShiftScale.Data.Tokenization.Vocabulary;

namespace KvShiftScale.Data.Tokenization.Training;

/// <summary>Trains a byte-level BPE on pieces cut as GPT-2's published expression cuts them.</summary>
/// <remarks>
/// The result is a function of the documents and the vocabulary size alone: counts are sums over pieces, and ties go to the pair with the
/// smaller left id, then the smaller right id. Neither the order of the documents nor the number of threads matters.
/// </remarks>
public static class ByteLevelBpeTrainer
{
    /// <summary>Pairs that occur less often are not merged.</summary>
    public const int MinimumPairCount = 2;

    /// <summary>The 256 bytes and the end of text.</summary>
    public const int SmallestVocabulary = ByteAlphabet.Size + 1;

    private const int MergesPerReport = 64;

    /// <summary>Learns <paramref name="vocabularySize"/> - 257 merges.</summary>
    /// <param name="documents">Texts, or chunks of texts that end where a piece may end. Read once, one at a time.</param>
    /// <param name="vocabularySize">Ids in all, the end of text included.</param>
    /// <param name="progress">Told every 1024 documents and every 64 merges.</param>
    /// <param name="cancellationToken">Stops between documents and between merges.</param>
    /// <exception cref="InvalidDataException">The text has too few repeated pairs for so many merges.</exception>
    public static TrainedBpe Train(
        IEnumerable<string> documents,
        int vocabularySize,
        IProgress<BpeTrainingProgress>? progress = null,
        CancellationToken cancellationToken = default)
        => Train(documents, vocabularySize, Environment.ProcessorCount, progress, cancellationToken);

    /// <inheritdoc cref="Train(IEnumerable{string}, int, IProgress{BpeTrainingProgress}?, CancellationToken)"/>
    /// <param name="threadCount">Threads that count; at least 1. The result does not depend on it.</param>
    public static TrainedBpe Train(
        IEnumerable<string> documents,
        int vocabularySize,
        int threadCount,
        IProgress<BpeTrainingProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(documents);
        ArgumentOutOfRangeException.ThrowIfLessThan(vocabularySize, SmallestVocabulary);
        ArgumentOutOfRangeException.ThrowIfLessThan(threadCount, 1);
        var reading = new LatestReport(progress);
        var mergesWanted = vocabularySize - SmallestVocabulary;
        var counts = PieceCounts.Count(documents, threadCount, mergesWanted, reading, cancellationToken);
        var learner = new MergeLearner(counts, MinimumPairCount, threadCount);
        var merges = new List<(int Left, int Right)>(mergesWanted);
        while (merges.Count < mergesWanted)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (!learner.TryLearn(out var merge))
            {
                throw TooFewMerges(vocabularySize, merges.Count);
            }

            merges.Add(merge);
            if (merges.Count % MergesPerReport == 0 || merges.Count == mergesWanted)
            {
                progress?.Report(reading.Latest with { Merges = merges.Count });
            }
        }

        return new TrainedBpe(merges);
    }

    private static InvalidDataException TooFewMerges(int vocabularySize, int possible) => new(string.Create(
        CultureInfo.InvariantCulture,
        $"A vocabulary of {vocabularySize} ids needs {vocabularySize - SmallestVocabulary} merges, and the text gives {possible}: after "
        + $"those no pair of tokens occurs {MinimumPairCount} times. "
        + $"Give more text, or ask for at most {SmallestVocabulary + possible} ids."));

    /// <summary>Passes reports on and keeps the last one.</summary>
    private sealed class LatestReport(IProgress<BpeTrainingProgress>? next) : IProgress<BpeTrainingProgress>
    {
        public BpeTrainingProgress Latest { get; private set; }

        public void Report(BpeTrainingProgress value)
        {
            Latest = value;
            next?.Report(value);
        }
    }
}
