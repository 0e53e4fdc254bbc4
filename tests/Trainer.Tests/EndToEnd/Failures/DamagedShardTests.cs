using KvShiftScale.Core;
using KvShiftScale.Data.Shards;
using KvShiftScale.Data.Tokenization;
using KvShiftScale.Testing;

namespace KvShiftScale.Trainer.Tests.EndToEnd.Failures;

/// <summary>A shard that cannot be read ends every rank with exit code 1; a hang would run into the time limit of the launch.</summary>
[Collection(nameof(EndToEndGroup))]
public sealed class DamagedShardTests(TrainingFixture fixture)
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void DamagedPagesAreNamedByFileAndRowGroup(int ranks)
    {
        var path = fixture.PathOf($"damaged-{ranks}.parquet");
        WriteThreeRowGroups(path);
        var bytes = File.ReadAllBytes(path);
        // Row groups are alike and the footer is short, so the middle of the file is in the second one.
        bytes.AsSpan(bytes.Length / 2 - 100, 200).Fill(0xFF);
        File.WriteAllBytes(path, bytes);

        var told = Fail(ranks, path);

        Assert.Contains($"{path}: row group 1", told);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void TruncatedFileIsNamed(int ranks)
    {
        var path = fixture.PathOf($"truncated-{ranks}.parquet");
        WriteThreeRowGroups(path);
        using (var file = File.OpenWrite(path))
        {
            file.SetLength(file.Length - 1000);
        }

        var told = Fail(ranks, path);

        Assert.Contains(path, told);
        Assert.Contains("is cut", told);
    }

    private string Fail(int ranks, string shard)
    {
        var arguments = fixture.TrainArguments($"reads-{Path.GetFileNameWithoutExtension(shard)}",
            $"data.train=[{shard}]", "data.validation=[]", "run.validate_every=0");
        if (ranks > 1)
        {
            return MpiRun.Execute(ranks, ProgramRun.KvShift, arguments, ExitCode.Failed);
        }

        using var run = ProgramRun.Execute(ExitCode.Failed, arguments);
        Assert.DoesNotContain("   at ", run.Error);
        return run.Error;
    }

    private void WriteThreeRowGroups(string path)
    {
        var tokenizer = TokenizerModel.Load(fixture.TokenizerPath);
        using var writer = new TokenShardWriter(path,
            new ShardWriterOptions { TokenizerHash = tokenizer.Hash, VocabularySize = tokenizer.VocabularySize, RowGroupTokens = 10_000 });
        for (var document = 0; document < 300; document++)
        {
            writer.Append([.. Enumerable.Range(0, 100).Select(i => (document * 7919 + i * i * 31) % 300)]);
        }

        writer.Complete();
    }
}
