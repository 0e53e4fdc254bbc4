using KvShiftScale.Core.Numbers;

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

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(63)]
    [InlineData(64)]
    [InlineData(65)]
    [InlineData(5000)]
    [InlineData(65_537)]
    public void PermutedIndexesAreEachOnce(int count)
        => Assert.Equal(Enumerable.Range(0, count), Enumerable.Range(0, count).Select(i => (int)CounterRandom.Permuted(i, count, key: 7)).Order());

    [Fact]
    public void PermutedIndexesOfRangesBeyondIntegersStayWithinThem()
    {
        const long Count = (1L << 40) + 3;
        long[] permuted = [.. Enumerable.Range(0, 10_000).Select(i => CounterRandom.Permuted(Count - 1 - i, Count, key: 3))];

        Assert.Equal(permuted.Length, permuted.Distinct().Count());
        Assert.All(permuted, index => Assert.InRange(index, 0, Count - 1));
        // A mean of 10,000 even numbers is within 1.5% of the middle but for one time in millions.
        Assert.InRange(permuted.Average() / Count, 0.485, 0.515);
    }

    [Theory]
    [InlineData(3)]
    [InlineData(4)]
    public void AllPermutationsWithoutATableAreAboutEquallyFrequent(int count)
    {
        var counts = new Dictionary<string, int>();
        var orders = Enumerable.Range(1, count).Aggregate(1, (product, i) => product * i);
        for (var seed = 0UL; seed < 1000UL * (ulong)orders; seed++)
        {
            var key = CounterRandom.Key(seed, 1);
            var name = string.Join(' ', Enumerable.Range(0, count).Select(i => CounterRandom.Permuted(i, count, key)));
            counts[name] = counts.GetValueOrDefault(name) + 1;
        }

        // 1000 times each on average, with a standard deviation below 32: six of them either way.
        Assert.Equal(orders, counts.Count);
        Assert.All(counts.Values, number => Assert.InRange(number, 810, 1190));
    }

    [Fact]
    public void NeighboursArePermutedFarApartAndEachToEveryPlace()
    {
        // 16 places of 100 numbers, over 16,000 keys: 1000 of each number in each place on average; and neighbours do not stay neighbours.
        var places = new int[100, 16];
        var stay = 0;
        for (var seed = 0UL; seed < 16_000; seed++)
        {
            var key = CounterRandom.Key(seed, 2);
            var before = -2L;
            for (var i = 0; i < 100; i++)
            {
                var permuted = CounterRandom.Permuted(i, 100, key);
                places[i, (int)(permuted * 16 / 100)]++;
                stay += Math.Abs(permuted - before) == 1 ? 1 : 0;
                before = permuted;
            }
        }

        for (var i = 0; i < 100; i++)
        {
            for (var place = 0; place < 16; place++)
            {
                // A sixteenth of 100 numbers is 6 or 7 of them.
                var expected = 160 * Enumerable.Range(0, 100).Count(number => number * 16 / 100 == place);
                Assert.InRange(places[i, place], expected - 220, expected + 220);
            }
        }

        // Of 99 pairs, 2 are neighbours by chance.
        Assert.InRange(stay / 16_000.0, 1.9, 2.1);
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
