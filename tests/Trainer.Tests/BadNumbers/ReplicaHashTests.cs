using KvShiftScale.Trainer.BadNumbers;
using static TorchSharp.torch;

namespace KvShiftScale.Trainer.Tests.BadNumbers;

public sealed class ReplicaHashTests
{
    [Fact]
    public void EveryFlippedBitChangesTheHash()
    {
        // Whole words and a rest of five bytes.
        var bytes = new byte[29];
        new Random(3).NextBytes(bytes);
        var seen = new HashSet<ulong> { ReplicaHash.OfPiece(bytes, 0) };
        for (var bit = 0; bit < bytes.Length * 8; bit++)
        {
            bytes[bit / 8] ^= (byte)(1 << bit % 8);
            Assert.True(seen.Add(ReplicaHash.OfPiece(bytes, 0)), $"bit {bit}");
            bytes[bit / 8] ^= (byte)(1 << bit % 8);
        }
    }

    [Fact]
    public void HashIsTheSumOfItsPieces()
    {
        // More than one piece of 8 MiB, with a rest.
        using var values = arange(5_000_001, ScalarType.Float32);
        var bytes = values.bytes;

        Assert.Equal(unchecked(ReplicaHash.OfPiece(bytes[..4096], 0) + ReplicaHash.OfPiece(bytes[4096..], 4096)), ReplicaHash.Of(values));
    }

    [Fact]
    public void SwappedElementsAreSeen()
    {
        using var values = tensor(new double[] { 1, 2, 3 });
        using var swapped = tensor(new double[] { 2, 1, 3 });
        Assert.NotEqual(ReplicaHash.Of(values), ReplicaHash.Of(swapped));
    }
}
