namespace Microsoft.ML.Tokenizers;

/// <summary>A token with its vocabulary string and its place in the normalized text.</summary>
public readonly struct EncodedToken : IEquatable<EncodedToken>
{
    public EncodedToken(int id, string value, Range offset)
    {
        Id = id;
        Value = value;
        Offset = offset;
    }

    public int Id { get; }

    /// <summary>The vocabulary's spelling: in byte-level BPE a blank reads U+0120.</summary>
    public string Value { get; }

    /// <summary>UTF-16 units that the token touches. Tokens that share the bytes of one character share that character.</summary>
    public Range Offset { get; }

    public bool Equals(EncodedToken other) => Id == other.Id && Value == other.Value && Offset.Equals(other.Offset);

    public override bool Equals(object? obj) => obj is EncodedToken other && Equals(other);

    public override int GetHashCode() => HashCode.Combine(Id, Value, Offset);
}
