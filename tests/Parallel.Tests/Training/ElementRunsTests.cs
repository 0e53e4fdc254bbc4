using KvShiftScale.Parallel.Parameters;

namespace KvShiftScale.Parallel.Tests.Training;

public sealed class ElementRunsTests
{
    // Shape, axis, start and extent of a part: rows, columns, a middle axis, padding at the end, nothing but padding.
    [Theory]
    [InlineData("6,5", 0, 2, 3)]
    [InlineData("6,5", 1, 1, 2)]
    [InlineData("4,6,3", 1, 2, 2)]
    [InlineData("7,3", 0, 4, 4)]
    [InlineData("7,3", 0, 8, 4)]
    [InlineData("3,5", 1, 3, 4)]
    [InlineData("9", 0, 3, 3)]
    public void PartsOfAPartAreItsElementsWithoutPadding(string shape, int axis, int start, int extent)
    {
        long[] global = [.. shape.Split(',').Select(long.Parse)];
        var shard = ParameterShard.Part(global, axis, start, extent);
        var expected = Elements(shard);
        for (var first = 0L; first <= shard.ElementCount; first++)
        {
            for (var count = 0L; first + count <= shard.ElementCount; count++)
            {
                var found = new List<(long Local, long Global)>();
                foreach (var (local, runs) in shard.RunsOf(first, count))
                {
                    found.AddRange(Packed(runs).Select((element, i) => (local + i, element)));
                }

                Assert.Equal(expected.Where(element => element.Local >= first && element.Local < first + count), found);
            }
        }
    }

    [Fact]
    public void AWholeParameterIsOneRun()
        => Assert.Equal([(0L, ElementRuns.Consecutive(0, 30))], ParameterShard.Whole(2, 3, 5).RunsOf(0, 30));

    [Fact]
    public void MoreThanThereIsIsRefused()
        => Assert.Throws<ArgumentOutOfRangeException>(() => new ElementRuns(0, 2, 5, 3).Part(4, 3).ToList());

    private static IEnumerable<long> Packed(ElementRuns runs)
    {
        for (var run = 0L; run < runs.Count; run++)
        {
            for (var i = 0L; i < runs.Length; i++)
            {
                yield return runs.Start + run * runs.Stride + i;
            }
        }
    }

    // Element by element, from the indices of the part.
    private static List<(long Local, long Global)> Elements(ParameterShard shard)
    {
        var elements = new List<(long, long)>();
        for (var local = 0L; local < shard.ElementCount; local++)
        {
            var (rest, global, stride, isPadding) = (local, 0L, 1L, false);
            for (var axis = shard.Shape.Count - 1; axis >= 0; axis--)
            {
                var index = rest % shard.Shape[axis] + (axis == shard.Axis ? shard.Start : 0);
                rest /= shard.Shape[axis];
                isPadding |= index >= shard.GlobalShape[axis];
                global += index * stride;
                stride *= shard.GlobalShape[axis];
            }
            if (!isPadding)
            {
                elements.Add((local, global));
            }
        }
        return elements;
    }
}
