namespace KvShiftScale.Parallel.Parameters;

/// <summary>Which bucket each parameter goes to, by arithmetic alone: known before anything is allocated.</summary>
/// <typeparam name="TTraits">What the parameters of a bucket have in common.</typeparam>
/// <param name="capacity">Elements of a bucket; a parameter that is larger gets a bucket of its own.</param>
public sealed class BucketPacking<TTraits>(long capacity) where TTraits : notnull
{
    private readonly List<(TTraits Traits, long Capacity, long Length)> _buckets = [];

    /// <summary>Elements that fit into each bucket, and those in use, in order of allocation.</summary>
    public IReadOnlyList<(TTraits Traits, long Capacity, long Length)> Buckets => _buckets;

    /// <summary>Takes room for a parameter in the newest bucket of its traits, or in a new one. Returns the number of the bucket, from 0.</summary>
    /// <param name="traits">What the parameter has in common with others.</param>
    /// <param name="length">Its elements.</param>
    public int Place(TTraits traits, long length)
    {
        var bucket = _buckets.FindLastIndex(candidate => candidate.Traits.Equals(traits));
        if (bucket < 0 || _buckets[bucket].Capacity - _buckets[bucket].Length < length)
        {
            bucket = _buckets.Count;
            _buckets.Add((traits, Math.Max(capacity, length), 0));
        }

        _buckets[bucket] = _buckets[bucket] with { Length = _buckets[bucket].Length + length };
        return bucket;
    }
}
