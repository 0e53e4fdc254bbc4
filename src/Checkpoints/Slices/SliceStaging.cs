using static TorchSharp.torch;

namespace KvShiftScale.Checkpoints.Slices;

/// <summary>
/// A copy of what a rank saves, in host memory that training does not touch: taken between two steps, written while the next ones run.
/// One area holds one checkpoint and is used again for the next.
/// </summary>
internal sealed class SliceStaging : IDisposable
{
    private readonly Tensor _area;
    private readonly IReadOnlyList<HeldSlice> _copies;

    /// <summary>Allocates the area, and writes to all of it so that the first copy meets no memory that the system has yet to find.</summary>
    /// <param name="slices">What will be copied: all of one element type.</param>
    public SliceStaging(IReadOnlyList<HeldSlice> slices)
    {
        using var mode = no_grad();
        var type = slices.Count > 0 ? slices[0].Values.dtype : ScalarType.Float32;
        if (slices.Any(slice => slice.Values.dtype != type))
        {
            throw new ArgumentException("slices of several element types", nameof(slices));
        }

        _area = empty(slices.Sum(slice => slice.Runs.ElementCount), type).DetachFromDisposeScope();
        _area.zero_();
        var first = 0L;
        var copies = new List<HeldSlice>();
        foreach (var slice in slices)
        {
            copies.Add(slice with { Values = _area.narrow(0, first, slice.Runs.ElementCount).DetachFromDisposeScope() });
            first += slice.Runs.ElementCount;
        }
        _copies = copies;
    }

    /// <summary>Bytes of the area.</summary>
    public long ByteCount => _copies.Sum(SliceFile.ByteCountOf);

    /// <summary>Copies the slices, which are those that the area was made for with the values of now.</summary>
    /// <returns>The copies; they stay as they are until the next call.</returns>
    public IReadOnlyList<HeldSlice> Take(IReadOnlyList<HeldSlice> slices)
    {
        if (slices.Count != _copies.Count)
        {
            throw new ArgumentException($"{slices.Count} slices for an area of {_copies.Count}", nameof(slices));
        }

        using var mode = no_grad();
        using var scope = NewDisposeScope();
        foreach (var (slice, copy) in slices.Zip(_copies))
        {
            if (slice.Name != copy.Name || slice.Runs != copy.Runs)
            {
                throw new ArgumentException($"'{slice.Name}' for the area of '{copy.Name}'", nameof(slices));
            }

            copy.Values.copy_(slice.Values);
        }
        return _copies;
    }

    public void Dispose()
    {
        foreach (var copy in _copies)
        {
            copy.Values.Dispose();
        }

        _area.Dispose();
    }
}
