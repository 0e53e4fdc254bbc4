using System.IO.Compression;
using KvShiftScale.Data.Shards.Format;

namespace KvShiftScale.Data.Tests.Parquet;

/// <summary>Pages that contradict their surroundings are refused before anything is set aside on their word; those that do not are not.</summary>
public sealed class PageCheckTests
{
    private const int Data = 0;
    private const int Dictionary = 2;
    private const int DataV2 = 3;

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(7)]
    public void APageCannotClaimTwoGibibytes(int codec)
        => AssertRefused(codec, Page(Data, int.MaxValue, new byte[100]), "the 2147483647 bytes that the page header states cannot come from 100 stored ones");

    [Theory]
    [InlineData(3)]
    [InlineData(8)]
    [InlineData(-1)]
    public void AnUnknownCodecIsRefused(int codec) => AssertRefused(codec, Page(Data, 100, new byte[100]), "is not supported");

    [Fact]
    public void WhatCompressesToAlmostNothingIsLetThrough()
    {
        // Zeros: 64 MiB in some dozen bytes of brotli, a thousandth in deflate.
        var zeros = new byte[64 << 20];
        using var brotli = new MemoryStream();
        using (var stream = new BrotliStream(brotli, CompressionLevel.Optimal, leaveOpen: true))
        {
            stream.Write(zeros);
        }

        using var gzip = new MemoryStream();
        using (var stream = new GZipStream(gzip, CompressionLevel.SmallestSize, leaveOpen: true))
        {
            stream.Write(zeros);
        }

        Assert.InRange(brotli.Length, 1, 1000);
        Assert.Equal(zeros.Length, Check(4, Page(Data, zeros.Length, brotli.ToArray())));
        Assert.Equal(zeros.Length, Check(2, Page(Data, zeros.Length, gzip.ToArray())));
        AssertRefused(4, Page(Data, zeros.Length + 1, brotli.ToArray()), "cannot come from");
    }

    [Fact]
    public void APageMustLieInItsChunk()
    {
        var page = Page(Data, 100, new byte[100]);
        AssertRefused(0, page[..^1], "100 bytes, of which the chunk has 99");
        AssertRefused(0, page[..5], "page 0 at byte 1000: ");
        AssertRefused(0, [], "page 0 at byte 1000: the data ends after 0 bytes");
    }

    [Fact]
    public void PagesMustHoldTheValuesOfTheFooter()
    {
        AssertRefused(0, Page(Data, 100, new byte[100], values: 11), "11 values, of which the footer leaves 10");
        AssertRefused(0, [.. Page(Data, 100, new byte[100], values: 9), .. Page(Data, 100, new byte[100], values: 2)], "2 values, of which the footer leaves 1");
        AssertRefused(0, Page(Data, 100, new byte[100], values: 9), "page 1 at byte");
        Assert.Equal(100, Check(0, [.. Page(Data, 100, new byte[100], values: 9), .. Page(DataV2, 50, new byte[50], values: 1)]));
    }

    [Fact]
    public void ADictionaryMustHaveRoomForItsEntries()
    {
        AssertRefused(0, Page(Dictionary, 100, new byte[100], values: int.MaxValue), "a dictionary of 2147483647 entries in 100 bytes");
        AssertRefused(0, Page(Dictionary, 100, new byte[100], values: 26), "a dictionary of 26 entries in 100 bytes");
        Assert.Equal(100, Check(0, [.. Page(Dictionary, 100, new byte[100], values: 25), .. Page(Data, 60, new byte[60])]));
    }

    [Fact]
    public void LevelsOfVersionTwoMustLieInTheirPage()
    {
        AssertRefused(0, Page(DataV2, 50, new byte[50], levels: 51), "levels of 51 bytes in a page of 50");
        AssertRefused(1, Page(DataV2, 50, [.. new byte[20], 0x1E, .. new byte[9]], levels: 21), "cannot come from");
        Assert.Equal(50, Check(1, Page(DataV2, 50, [.. new byte[20], 0x1E, .. new byte[9]], levels: 20)));
    }

    private static byte[] Page(int type, int bytes, byte[] stored, int values = 10, int levels = 0)
    {
        var header = new ThriftBytes().Int32(1, type).Int32(2, bytes).Int32(3, stored.Length);
        var counts = new ThriftBytes().Int32(1, values);
        header = type switch
        {
            Data => header.Struct(5, counts.Int32(2, 0)),
            Dictionary => header.Struct(7, counts.Int32(2, 0)),
            _ => header.Struct(8, counts.Int32(2, 0).Int32(3, 1).Int32(4, 0).Int32(5, levels).Int32(6, 0)),
        };
        return [.. header.Closed, .. stored];
    }

    private static int Check(int codec, byte[] pages) => PageCheck.LargestPage(
        new ColumnChunk
        {
            Rows = 1,
            Values = 10,
            Start = 1000,
            StoredBytes = pages.Length,
            Codec = (Codec)codec,
            Type = 1,
            Nulls = -1,
            Bounds = default,
            IdsByLevel = -1,
            OtherFile = null,
            IsHidden = false,
        },
        pages);

    private static void AssertRefused(int codec, byte[] pages, string expected)
        => Assert.Contains(expected, Assert.Throws<InvalidDataException>(() => Check(codec, pages)).Message, StringComparison.Ordinal);
}
