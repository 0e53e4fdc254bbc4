using System.Runtime.InteropServices;
using KvShiftScale.Checkpoints.Manifests;
using KvShiftScale.Parallel.Parameters;

namespace KvShiftScale.Checkpoints.Tests.Manifests;

public sealed class ElementHashTests
{
    private static readonly float[] Values = [.. Enumerable.Range(0, 240).Select(i => MathF.Sin(i))];
    private static readonly ulong Name = ElementHash.OfName("model.norm.weight");

    [Fact]
    public void HowElementsAreDividedDoesNotMatter()
    {
        var whole = HashOf(ElementRuns.Consecutive(0, 240));

        // Rows of 24 cut in columns 0-6, 7-16 and 17-23, the middle one cut again in the midst of a row.
        var middle = new ElementRuns(7, 10, 24, 10);
        ElementRuns[] parts = [new(0, 7, 24, 10), .. middle.Part(0, 43), .. middle.Part(43, 57), new(17, 7, 24, 10)];
        Assert.Equal(whole, parts.Aggregate(0UL, (sum, part) => unchecked(sum + HashOf(part))));
        // In pieces that end anywhere.
        Assert.Equal(HashOf(middle), unchecked(HashOf(middle, 0, 13) + HashOf(middle, 13, 87)));
    }

    [Fact]
    public void EveryBitOfEveryElementCounts()
    {
        var bytes = MemoryMarshal.AsBytes(Values.AsSpan()).ToArray();
        var whole = ElementHash.Of(Name, ElementRuns.Consecutive(0, 240), 0, bytes, 4);
        for (var bit = 0; bit < bytes.Length * 8; bit++)
        {
            bytes[bit / 8] ^= (byte)(1 << bit % 8);
            Assert.NotEqual(whole, ElementHash.Of(Name, ElementRuns.Consecutive(0, 240), 0, bytes, 4));
            bytes[bit / 8] ^= (byte)(1 << bit % 8);
        }
    }

    [Fact]
    public void PlacesAndNamesCount()
    {
        var bytes = MemoryMarshal.AsBytes(Values.AsSpan());
        var whole = HashOf(ElementRuns.Consecutive(0, 240));
        Assert.NotEqual(whole, ElementHash.Of(Name, ElementRuns.Consecutive(1, 240), 0, bytes, 4));
        Assert.NotEqual(whole, ElementHash.Of(ElementHash.OfName("model.norm.weighs"), ElementRuns.Consecutive(0, 240), 0, bytes, 4));
        var swapped = Values.ToArray();
        (swapped[3], swapped[4]) = (swapped[4], swapped[3]);
        Assert.NotEqual(whole, ElementHash.Of(Name, ElementRuns.Consecutive(0, 240), 0, MemoryMarshal.AsBytes(swapped.AsSpan()), 4));
        Assert.NotEqual(whole, ElementHash.Of(Name, ElementRuns.Consecutive(0, 120), 0, bytes, 8));
    }

    private static ulong HashOf(ElementRuns runs) => HashOf(runs, 0, runs.ElementCount);

    private static ulong HashOf(ElementRuns runs, long first, long count)
    {
        var packed = Enumerable.Range(0, (int)runs.Count).SelectMany(run => Values.Skip((int)(runs.Start + run * runs.Stride)).Take((int)runs.Length))
            .Skip((int)first).Take((int)count).ToArray();
        return ElementHash.Of(Name, runs, first, MemoryMarshal.AsBytes(packed.AsSpan()), 4);
    }
}
