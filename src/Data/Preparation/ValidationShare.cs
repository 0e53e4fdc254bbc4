using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using KvShiftScale.Core;

namespace KvShiftScale.Data.Preparation;

/// <summary>
/// The documents that are kept for validation: those whose SHA-256, over their text in UTF-8, begins with a number below a share of all numbers. So a
/// document is on one side wherever it stands, also twice, and a smaller share is a part of a larger one.
/// </summary>
/// <param name="Percent">Of all documents, in [0, 100).</param>
public sealed record ValidationShare(decimal Percent)
{
    private const decimal Numbers = 18446744073709551616m;

    private readonly ulong _limit = (ulong)(Percent / 100 * Numbers);

    /// <summary>Reads <c>1%</c> or <c>0.5%</c>.</summary>
    /// <exception cref="UsageException">It is something else.</exception>
    public static ValidationShare Parse(string text)
        => text.EndsWith('%')
            && decimal.TryParse(text.AsSpan(0, text.Length - 1), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var percent)
            && percent is > 0 and < 100
            ? new ValidationShare(percent)
            : throw new UsageException($"found --validation {text}; wanted a share of the documents above 0% and below 100%: 1% or 0.5%");

    /// <summary>Whether a document is kept for validation. Called by several threads at once.</summary>
    /// <param name="text">In UTF-8.</param>
    public bool Takes(ReadOnlySpan<byte> text)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(text, hash);
        return BinaryPrimitives.ReadUInt64BigEndian(hash) < _limit;
    }
}
