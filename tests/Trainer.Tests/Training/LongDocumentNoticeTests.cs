using KvShiftScale.Data.Configuration;
using KvShiftScale.Data.Loading;
using KvShiftScale.Trainer.Training;

namespace KvShiftScale.Trainer.Tests.Training;

public sealed class LongDocumentNoticeTests
{
    private static readonly LongestDocument Book = new(509_105, IsExact: true, Rows: 994, StepsOnEnd: 124.25, StepsOfWindow: 1930.4);

    [Fact]
    public void MixedRowsAreSaidToBeSpread() => Assert.Equal(
        "the longest document, 509,105 tokens, fills 994 rows of 512, 124 steps on end if rows were not mixed; mixed, they are spread over about 1,930 steps",
        LongDocumentNotice.Of(Book, 512, RowOrder.Shuffled));

    [Fact]
    public void ADocumentThatIsALargePartOfItsWindowComesWithTheRemedy() => Assert.EndsWith(
        "spread over about 500 steps, of which they are a large part: raise data.shuffle_row_groups for more among them, where there is more data",
        LongDocumentNotice.Of(Book with { StepsOfWindow = 500 }, 512, RowOrder.Shuffled), StringComparison.Ordinal);

    [Fact]
    public void SequentialRowsComeWithTheKeyThatMixesThem() => Assert.Equal(
        "the longest document, at least 509,105 tokens, fills 994 rows of 512, 124 steps on end: the loss of these steps is that of one text; "
        + "data.row_order: shuffled mixes the rows of a new run",
        LongDocumentNotice.Of(Book with { IsExact = false }, 512, RowOrder.Sequential));

    [Theory]
    [InlineData(RowOrder.Shuffled)]
    [InlineData(RowOrder.Sequential)]
    public void OneThatFillsLessThanTwoStepsIsNoNews(RowOrder order)
    {
        Assert.Null(LongDocumentNotice.Of(Book with { StepsOnEnd = 1.9 }, 512, order));
        Assert.NotNull(LongDocumentNotice.Of(Book with { StepsOnEnd = 2 }, 512, order));
    }
}
