using System.Security.Cryptography;
using KvShiftScale.Data.Shards;

namespace KvShiftScale.Data.Tests.Shards;

public sealed class ShardReadingToolsTests : IDisposable
{
    private readonly ShardFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void VerificationHashesLengthsAndIds()
    {
        var path = _folder.Write("a.parquet", [[1, 258], [], [3]]);

        var verification = ShardVerification.Read(path);

        // Lengths 2, 0, 1, each followed by its ids; 258 is 0x0102.
        byte[] content = [2, 0, 0, 0, 1, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0];
        Assert.Equal(new ShardVerification(3, 3, Convert.ToHexStringLower(SHA256.HashData(content))), verification);
    }

    [Fact]
    public void VerificationDoesNotDependOnHowDocumentsAreStored()
    {
        var documents = ShardFolder.Numbered(5, 0, 17, 1, 30);
        using var spread = new ShardFolder();
        spread.Write("a.parquet", documents[..2]);
        spread.Write("b.parquet", documents[2..], rowGroupTokens: 4);

        var whole = ShardVerification.Read(_folder.Write("x.parquet", documents));

        Assert.Equal(whole, ShardVerification.Read(spread.Folder));
        Assert.Equal(53, whole.Tokens);
    }

    [Fact]
    public void VerificationOfAFolderWithoutShardsSaysSo()
        => Assert.Contains(_folder.Folder, Assert.Throws<FileNotFoundException>(() => ShardVerification.Read(_folder.Folder)).Message,
            StringComparison.Ordinal);

    [Fact]
    public void AFolderIsInspectedAsOne()
    {
        _folder.Write("a.parquet", [[1, 2], [3]]);
        _folder.Write("b.parquet", [[4]], options: ShardFolder.Options(vocabularySize: 7));

        var inspection = ShardInspection.Read(_folder.Folder, documents: 5);

        Assert.Equal(2, inspection.FileCount);
        Assert.Equal(3, inspection.DocumentCount);
        Assert.Equal([[1, 2], [3], [4]], inspection.FirstDocuments);
        Assert.Single(inspection.Schemas);
        Assert.Equal([100_000, 7], inspection.VocabularySizes);
    }

    [Fact]
    public void AFolderIsHeldAgainstItsManifest()
    {
        using (var writer = new ShardFolderWriter(_folder.Folder, "s", 2, ShardFolder.Options()))
        {
            foreach (var document in ShardFolder.Consecutive(0, 2, 2, 2))
            {
                writer.Append(document);
            }

            writer.Complete();
        }

        Assert.Empty(Differences());

        // The same counts, another id; then a file too many and one too few.
        _folder.Write("s-00001.parquet", [[7, 7]]);
        Assert.Contains("s-00001.parquet has other documents", Assert.Single(Differences()), StringComparison.Ordinal);
        _folder.Write("s-00001.parquet", [[7, 7], [1]]);
        Assert.Equal($"{_folder.PathOf("s-00001.parquet")} has 2 rows and 3 tokens, and manifest.json says 1 and 2", Assert.Single(Differences()));
        File.Move(_folder.PathOf("s-00001.parquet"), _folder.PathOf("other.parquet"));
        Assert.Equal([$"{_folder.PathOf("other.parquet")} is not in manifest.json", $"{_folder.PathOf("s-00001.parquet")} is missing"], Differences());

        IReadOnlyList<string> Differences()
        {
            var shards = ShardFiles.Find(_folder.Folder);
            return ManifestCheck.Differences(shards, ShardVerification.Read(shards.Paths).Files);
        }
    }

    [Fact]
    public void InspectionCountsDocumentsByLength()
    {
        var path = _folder.Write("a.parquet", ShardFolder.Consecutive(0, 2, 0, 1, 3, 4, 7, 8), rowGroupTokens: 10);

        var inspection = ShardInspection.Read(path, documents: 3);

        Assert.Equal(
            [
                new ShardInspection.LengthBin(0, 0, 1),
                new ShardInspection.LengthBin(1, 1, 1),
                new ShardInspection.LengthBin(2, 3, 2),
                new ShardInspection.LengthBin(4, 7, 2),
                new ShardInspection.LengthBin(8, 15, 1),
            ],
            inspection.Lengths);
        Assert.Equal([[0, 1], [], [2]], inspection.FirstDocuments);
        Assert.Equal(7, inspection.DocumentCount);
        Assert.Equal(25, inspection.TokenCount);
        Assert.Equal(new DocumentLengths(7, Empty: 1, Shortest: 0, Longest: 8, 25.0 / 7), inspection.LengthSummary with { Mean = 25.0 / 7 });
        Assert.Equal(25.0 / 7, inspection.LengthSummary.Mean, 1e-12);
        Assert.Equal(
            ["optional group input_ids (LIST)", "  repeated group list", "    required int32 element (INT_32)"],
            Assert.Single(inspection.Schemas).Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }
}
