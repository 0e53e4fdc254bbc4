using KvShiftScale.Data.Loading;
namespace KvShiftScale.Data.Tests.Loading;

public sealed class CounterRandomTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(1000)]
    public void PermutationHoldsEveryIndexOnce(int count)
    {
        var order = new int[count];

        CounterRandom.Permute(order, key: 7);

        Assert.Equal(Enumerable.Range(0, count), order.Order());
    }

    [Fact]
    public void AllPermutationsAreAboutEquallyFrequent()
    {
        var counts = new Dictionary<string, int>();
        var order = new int[3];
        for (var seed = 0UL; seed < 6000; seed++)
        {
            CounterRandom.Permute(order, CounterRandom.Key(seed, 1));
            var name = string.Join(' ', order);
            counts[name] = counts.GetValueOrDefault(name) + 1;
        }

        // 6 orders, 1000 times each on average, with a standard deviation of 29: six of them either way.
        Assert.Equal(6, counts.Count);
        Assert.All(counts.Values, count => Assert.InRange(count, 826, 1174));
    }

    [Fact]
    public void KeysOfNeighbouringSeedsAndEpochsDiffer()
    {
        var keys = from seed in Enumerable.Range(0, 100)
                   from epoch in Enumerable.Range(0, 100)
                   select CounterRandom.Key((ulong)seed, (ulong)epoch);

        Assert.Equal(10_000, keys.Distinct().Count());
    }
}
