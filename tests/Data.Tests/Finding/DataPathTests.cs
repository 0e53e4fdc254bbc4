using KvShiftScale.Data.Configuration;
using KvShiftScale.Data.Corpus;
using KvShiftScale.Data.Shards;
using KvShiftScale.Data.Tests.Shards;

namespace KvShiftScale.Data.Tests.Finding;

/// <summary>A file, a folder or a pattern, by one rule for text and shards; and what is said where it is none of them.</summary>
public sealed class DataPathTests : IDisposable
{
    private readonly ShardFolder _folder = new();

    public DataPathTests()
    {
        foreach (var name in (string[])["train/s-0.parquet", "train/more/s-1.parquet", "train/.cache/s-2.parquet", "train/.s-3.parquet", "train/._s-0.parquet"])
        {
            Directory.CreateDirectory(Path.GetDirectoryName(_folder.PathOf(name))!);
            _folder.Write(name, [[1, 2, 3]]);
        }

        foreach (var name in (string[])["text/a.txt", "text/deep/b.md", "text/.cache/c.txt", "text/.d.txt", "text/._a.txt", "text/note.doc"])
        {
            Directory.CreateDirectory(Path.GetDirectoryName(_folder.PathOf(name))!);
            File.WriteAllText(_folder.PathOf(name), name);
        }
    }

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("train", "train/more/s-1.parquet train/s-0.parquet")]
    [InlineData("train/", "train/more/s-1.parquet train/s-0.parquet")]
    [InlineData("train/*.parquet", "train/s-0.parquet")]
    [InlineData("train/**/*.parquet", "train/more/s-1.parquet train/s-0.parquet")]
    [InlineData("train/s-0.parquet", "train/s-0.parquet")]
    [InlineData("train/.s-3.parquet", "train/.s-3.parquet")]
    [InlineData("train/.cache", "train/.cache/s-2.parquet")]
    [InlineData("train/.cache/*", "train/.cache/s-2.parquet")]
    [InlineData("train/.s*", "train/.s-3.parquet")]
    public void EveryReaderOfShardsFindsTheSame(string given, string expected)
    {
        string[] files = [.. expected.Split(' ').Select(_folder.PathOf)];
        var path = _folder.PathOf(given);

        Assert.Equal(files, ShardFiles.Find(path).Paths);
        Assert.Equal(files, ShardCatalog.Open([new DataSource(path)]).Sources.SelectMany(source => source.Shards).Select(shard => shard.Path));
        Assert.Equal(files.Length, ShardVerification.Read(path).Rows);
        Assert.Equal(files.Length, ShardInspection.Read(path).FileCount);
    }

    [Theory]
    [InlineData("text", "text/a.txt text/deep/b.md")]
    [InlineData("text/*.txt", "text/a.txt")]
    [InlineData("text/**/*.??", "text/deep/b.md")]
    [InlineData("text/.d.txt", "text/.d.txt")]
    [InlineData("text/.cache", "text/.cache/c.txt")]
    [InlineData("text/._*", "text/._a.txt")]
    public void TextIsFoundByTheSameRule(string given, string expected)
        => Assert.Equal(expected.Split(' ').Select(_folder.PathOf), TextDocuments.Files([_folder.PathOf(given)]).Paths);

    [Fact]
    public void ANameWithAWildcardInItIsThatFile()
    {
        File.WriteAllText(_folder.PathOf("text/a*.txt"), "");

        Assert.Equal([_folder.PathOf("text/a*.txt")], TextDocuments.Files([_folder.PathOf("text/a*.txt")]).Paths);
    }

    [Theory]
    [InlineData("s3://bucket/train", "is an address", "Mount what is there as a folder, or copy it to one")]
    [InlineData("hf://datasets/owner/name", "is an address", "name that folder")]
    [InlineData("https://host/train/*.parquet", "is an address", "read from files")]
    [InlineData("gs://bucket/*.parquet", "is an address", "read from files")]
    [InlineData("ROOT/text", "is a folder of 3 files, none of a known kind; expected *.parquet in it or below it", "kvshift data prepare")]
    [InlineData("ROOT/empty", "is a folder without files; expected *.parquet", "begin with a dot are passed over")]
    [InlineData("ROOT/train/x.parquet", "no such file in ROOT/train", "relative to")]
    [InlineData("ROOT/train/mor?", "no such file in ROOT/train", "A pattern finds files, and no folders")]
    [InlineData("ROOT/trian/*.parquet", "the folder ROOT/trian does not exist", "a file, a folder or a pattern of token shards")]
    [InlineData("~/train", "matches no file", "Write the home folder out")]
    [InlineData("$DATA/train", "matches no file", "Write out what $ stands for")]
    [InlineData("ROOT/train/{a,b}.parquet", "matches no file", "Patterns have *, ? and ** only")]
    [InlineData("ROOT/text/a.txt", "ROOT/text/a.txt, found by 'ROOT/text/a.txt', has the name of a text", "kvshift data prepare")]
    [InlineData("ROOT/text/*.md*", "matches no file", "no such file")]
    [InlineData(" ", "empty path", "wanted a file, a folder or a pattern of token shards")]
    public void WhatIsNoPathOfShardsIsSaidSo(string given, params string[] expected)
    {
        Directory.CreateDirectory(_folder.PathOf("empty"));
        var path = given.Replace("ROOT", _folder.Folder, StringComparison.Ordinal);

        var message = Assert.Throws<FileNotFoundException>(() => ShardFiles.Find(path)).Message;

        Assert.All(expected, part => Assert.Contains(part.Replace("ROOT", _folder.Folder, StringComparison.Ordinal), message, StringComparison.Ordinal));
        Assert.Equal(message, Assert.Throws<FileNotFoundException>(() => ShardCatalog.Open([new DataSource(path)])).Message);
    }

    [Fact]
    public void AnAddressOfTextIsSaidSo()
        => Assert.Contains("'s3://bucket/text' is an address, and text", Assert.Throws<FileNotFoundException>(() => TextDocuments.Files(["s3://bucket/text"])).Message,
            StringComparison.Ordinal);

    [Fact]
    public void ThePatternOfAllFilesLeavesTheManifest()
    {
        File.WriteAllText(_folder.PathOf("train/manifest.json"), "{}");

        Assert.Equal([_folder.PathOf("train/s-0.parquet")], ShardFiles.Find(_folder.PathOf("train/*")).Paths);
    }

    [Fact]
    public void AFileOfTwoSourcesBelongsToTheFirstUnlessTheirWeightsDiffer()
    {
        var (file, folder) = (_folder.PathOf("train/s-0.parquet"), _folder.PathOf("train"));

        var once = ShardCatalog.Open([new DataSource(file), new DataSource(folder), new DataSource(file)]);
        Assert.Equal([1L, 1L], once.Sources.Select(source => source.DocumentCount));
        Assert.Empty(once.Notices);

        File.CreateSymbolicLink(_folder.PathOf("link.parquet"), file);
        var linked = ShardCatalog.Open([new DataSource(folder), new DataSource(_folder.PathOf("link.parquet"))]);
        Assert.Equal(2, Assert.Single(linked.Sources).DocumentCount);
        Assert.Equal($"left out: {_folder.PathOf("link.parquet")} (the same file as {file}), since each file is read once", Assert.Single(linked.Notices));

        var weighted = ShardCatalog.Open([new DataSource(folder), new DataSource(file, 0.5)]);
        Assert.Equal([2L, 1L], weighted.Sources.Select(source => source.DocumentCount));
        Assert.Equal("1 files are in two sources of different weights, and are read for both", Assert.Single(weighted.Notices));
    }

    [Fact]
    public void AFolderWithALinkToItselfIsCountedOnce()
    {
        File.CreateSymbolicLink(_folder.PathOf("train/again"), ".");
        File.CreateSymbolicLink(_folder.PathOf("train/up"), "..");

        var catalog = ShardCatalog.Open([new DataSource(_folder.PathOf("train/**/*.parquet"))]);

        Assert.Equal(2, catalog.DocumentCount);
        Assert.Contains("2 names", Assert.Single(catalog.Notices), StringComparison.Ordinal);
        Assert.Equal(2, ShardVerification.Read(_folder.PathOf("train")).Rows);
    }
}
