using KvShiftScale.Data.Shards;
namespace KvShiftScale.Data.Tests.Shards;

public sealed class VocabularyCheckTests
{
    [Theory]
    [InlineData(100)]
    [InlineData(-1)]
    [InlineData(int.MinValue)]
    [InlineData(int.MaxValue)]
    public void InvalidIdIsFoundAnywhere(int invalid)
    {
        for (var at = 0; at < 37; at++)
        {
            var ids = Enumerable.Range(63, 37).ToArray();
            Assert.Equal(-1, VocabularyCheck.IndexOfInvalid(ids, 100));
            ids[at] = invalid;
            Assert.Equal(at, VocabularyCheck.IndexOfInvalid(ids, 100));
            ids[36] = invalid;
            Assert.Equal(at, VocabularyCheck.IndexOfInvalid(ids, 100));
        }
    }

    [Fact]
    public void NoIdsAreValid() => Assert.Equal(-1, VocabularyCheck.IndexOfInvalid([], 1));
}
