using System.Globalization;
using KvShiftScale.Data.Tests.Text;
using KvShiftScale.Data.Tokenization.Files;
using KvShiftScale.Data.Tokenization.Training;

namespace KvShiftScale.Data.Tests.Tokenization;

public sealed class ByteLevelBpeTrainerTests
{
    /// <summary>
    /// aaabdaaabac. Neighbours: aa 4 times, ab twice, the rest once, so aa is first: aa a b d aa a b a c. Now a b and aa a
    /// occur twice each; a (id 64) is smaller than aa (id 256), so ab: aa ab d aa ab a c. Then aa ab twice. After that all occur once.
    /// </summary>
    [Fact]
    public void LearnsTheMergesWorkedOutByHand()
    {
        var trained = ByteLevelBpeTrainer.Train(["aaabdaaabac"], 260);

        Assert.Equal([(64, 64), (64, 65), (256, 257)], trained.Merges);
        Assert.Equal(["aa", "ab", "aaab", "<|endoftext|>"], trained.Tokens.Skip(256));
        Assert.Equal(259, trained.EndOfTextId);
    }

    /// <summary>A piece counts as often as it occurs: "xy" three times outweighs the two "zw".</summary>
    [Fact]
    public void WeighsPiecesByTheirCount()
    {
        var trained = ByteLevelBpeTrainer.Train(["xy\nzw", "xy\nzw\nxy"], 259);

        Assert.Equal(["xy", "zw"], trained.Tokens.Skip(256).Take(2));
    }

    [Fact]
    public void NumbersTheBytesAsGpt2Does()
    {
        var trained = ByteLevelBpeTrainer.Train([], 257);

        Assert.Equal(NaiveBpe.SymbolsById, trained.Tokens.Take(256));
        Assert.Equal("!", trained.Tokens[0]);
        Assert.Equal("\u0120", trained.Tokens[220]);
        Assert.Equal(TrainedBpe.EndOfText, trained.Tokens[256]);
    }

    [Fact]
    public void AgreesWithCountingEverythingAnew()
    {
        var expected = NaiveBpe.Train(SampleTexts.Corpus, 93);

        Assert.Equal(expected, SampleTexts.Trained.MergeLines());
    }

    [Theory]
    [InlineData("a", 40)]
    [InlineData("ab", 60)]
    [InlineData("abc ", 80)]
    public void AgreesWithCountingEverythingAnewWhereMergesOverlap(string letters, int mergeCount)
    {
        var random = new Random(letters.Length);
        for (var i = 0; i < 5; i++)
        {
            var documents = Enumerable.Range(0, 20)
                .Select(_ => string.Concat(Enumerable.Range(0, random.Next(5, 80)).Select(_ => letters[random.Next(letters.Length)])))
                .ToList();
            var possible = PossibleMerges(documents, mergeCount);

            Assert.Equal(
                NaiveBpe.Train(documents, possible), ByteLevelBpeTrainer.Train(documents, 257 + possible).MergeLines());
        }
    }

    [Fact]
    public void WritesTheSameBytesOnAnyNumberOfThreadsAndInAnyOrder()
    {
        using var folder = new TemporaryFolder();
        var documents = Enumerable.Range(0, 300)
            .Select(i => SampleTexts.Corpus[i % SampleTexts.Corpus.Length] + SampleTexts.WellFormed(new Random(i), 30))
            .ToList();
        var contents = new List<string>();
        foreach (var threadCount in new[] { 1, 2, 8 })
        {
            var path = folder.Path(threadCount.ToString(CultureInfo.InvariantCulture));
            TokenizerFolder.Save(ByteLevelBpeTrainer.Train(documents, 700, threadCount), path);
            contents.Add(Convert.ToHexString(Directory.GetFiles(path).Order().SelectMany(File.ReadAllBytes).ToArray()));
            documents.Reverse();
        }

        Assert.Equal(contents[0], contents[1]);
        Assert.Equal(contents[0], contents[2]);
    }

    [Fact]
    public void SaysHowManyIdsATextAllows()
    {
        var error = Assert.Throws<InvalidDataException>(() => ByteLevelBpeTrainer.Train(["aaabdaaabac"], 300));

        Assert.Contains("A vocabulary of 300 ids needs 43 merges, and the text gives 3", error.Message, StringComparison.Ordinal);
        Assert.Contains("at most 260 ids", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void RefusesAVocabularyWithoutRoomForTheBytes()
        => Assert.Throws<ArgumentOutOfRangeException>(() => ByteLevelBpeTrainer.Train(["abc"], 256));

    [Fact]
    public void PassesOnTheErrorOfItsSource()
    {
        static IEnumerable<string> Broken()
        {
            yield return "some text";
            throw new FileNotFoundException("gone");
        }

        Assert.Equal("gone", Assert.Throws<FileNotFoundException>(() => ByteLevelBpeTrainer.Train(Broken(), 300)).Message);
    }

    [Fact]
    public void StopsWhenAsked()
    {
        using var cancellation = new CancellationTokenSource();
        IEnumerable<string> CancelsAfterTheFirst()
        {
            yield return "some text";
            cancellation.Cancel();
            yield return "more text";
        }

        Assert.ThrowsAny<OperationCanceledException>(
            () => ByteLevelBpeTrainer.Train(CancelsAfterTheFirst(), 300, cancellationToken: cancellation.Token));
    }

    [Fact]
    public void ReportsReadingAndMerging()
    {
        var reports = new Recorder();
        ByteLevelBpeTrainer.Train(SampleTexts.Corpus, 350, reports);

        var characters = SampleTexts.Corpus.Sum(document => (long)document.Length);
        Assert.Equal(new BpeTrainingProgress(8, characters, 0, 93), reports.Reports[0]);
        Assert.Equal([0, 64, 93], reports.Reports.Select(report => report.Merges));
        Assert.Equal(new BpeTrainingProgress(8, characters, 93, 93), reports.Reports[^1]);
    }

    private static int PossibleMerges(IEnumerable<string> documents, int wanted)
    {
        while (true)
        {
            try
            {
                ByteLevelBpeTrainer.Train(documents, 257 + wanted);
                return wanted;
            }
            catch (InvalidDataException)
            {
                wanted--;
            }
        }
    }

    private sealed class Recorder : IProgress<BpeTrainingProgress>
    {
        public List<BpeTrainingProgress> Reports { get; } = [];

        public void Report(BpeTrainingProgress value) => Reports.Add(value);
    }
}
