using KvShiftScale.Core;
using KvShiftScale.Testing;
using KvShiftScale.Trainer.Tests.EndToEnd;

namespace KvShiftScale.Trainer.Tests.ModelFiles;

/// <summary>A model that training wrote, computed and written by plain operations of the tensor library, and imported back.</summary>
[Collection(nameof(EndToEndGroup))]
public sealed class ElsewhereTests(TrainingFixture fixture)
{
    [Fact]
    public void TrainedModelGoesToPlainOperationsAndBack()
    {
        using var folder = new TemporaryFolder();
        var exported = folder.PathOf("exported");
        CommandRun.Execute(ExitCode.Done, "model", "convert", "--model", fixture.ModelPath, "--output", exported, "--max-shard-size", "40KB");

        using var plain = new PlainTransformer(exported);
        plain.Save(folder.PathOf("returned"));

        // Bit by bit: the checkpoint, what was exported, and what came back.
        var tensors = ReferenceFiles.Tensors(fixture.ModelPath);
        Assert.Contains("model.layers.1.self_attn.v_shift", tensors.Keys);
        Assert.Equal(tensors, ReferenceFiles.Tensors(exported));
        Assert.Equal(tensors, ReferenceFiles.Tensors(folder.PathOf("returned")));
        var elsewhere = plain.Loss(fixture.Encode(TrainingFixture.ValidationTexts), 48);
        ForeignEvaluationTests.AssertClose(elsewhere, CommandRun.Evaluate(fixture.ModelPath, fixture.ValidationShard));
        ForeignEvaluationTests.AssertClose(elsewhere, CommandRun.Evaluate(folder.PathOf("returned"), fixture.ValidationShard));
    }

    // The plain operations themselves, held to the numbers that NumPy gave for files that it wrote.
    [Theory]
    [InlineData(ReferenceFiles.Context)]
    [InlineData(7)]
    public void PlainOperationsGiveTheStoredLoss(int context)
    {
        using var plain = new PlainTransformer(ReferenceFiles.PathOf("kvshift"));

        var (loss, tokens) = plain.Loss(ReferenceFiles.Documents, context);

        var expected = ReferenceFiles.Expected("kvshift", context: context);
        Assert.Equal(expected.Tokens, tokens);
        Assert.Equal(expected.Loss, loss, 1e-10 * expected.Loss);
    }

    // The same bytes after import and export as NumPy wrote.
    [Fact]
    public void StoredModelComesBackAsItWas()
    {
        using var folder = new TemporaryFolder();
        CommandRun.Execute(ExitCode.Done, "model", "convert", "--model", ReferenceFiles.PathOf("kvshift"), "--output", folder.PathOf("stored"));
        Assert.Equal(ReferenceFiles.Tensors(ReferenceFiles.PathOf("kvshift")), ReferenceFiles.Tensors(folder.PathOf("stored")));
    }
}
