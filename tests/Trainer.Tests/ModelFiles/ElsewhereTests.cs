using System.Text.Json;
using KvShiftScale.Trainer.Tests.EndToEnd;

namespace KvShiftScale.Trainer.Tests.ModelFiles;

/// <summary>A model that training wrote, imported into PyTorch, computed and written there, and imported back.</summary>
[Collection(nameof(EndToEndGroup))]
public sealed class ElsewhereTests(TrainingFixture fixture)
{
    [PyTorchFact]
    public void TrainedModelGoesToPyTorchAndBack()
    {
        using var folder = new TemporaryFolder();
        var exported = folder.PathOf("exported");
        CommandRun.Execute(ExitCode.Done, "model", "convert", "--model", fixture.ModelPath, "--output", exported, "--max-shard-size", "40KB");
        var documents = folder.PathOf("documents.json");
        File.WriteAllText(documents, JsonSerializer.Serialize(fixture.Encode(TrainingFixture.ValidationTexts)));

        using var run = ProgramRun.StartFile(PyTorchFactAttribute.Python!, [ReferenceFiles.PathOf("elsewhere.py"), exported, documents, "48", folder.PathOf("returned")]);
        run.WaitFor(0);

        // Bit by bit: the checkpoint, what was exported, and what PyTorch wrote.
        var tensors = ReferenceFiles.Tensors(fixture.ModelPath);
        Assert.Contains("model.layers.1.self_attn.v_shift", tensors.Keys);
        Assert.Equal(tensors, ReferenceFiles.Tensors(exported));
        Assert.Equal(tensors, ReferenceFiles.Tensors(folder.PathOf("returned")));
        using var json = JsonDocument.Parse(run.LastLine);
        var elsewhere = (json.RootElement.GetProperty("loss").GetDouble(), json.RootElement.GetProperty("tokens").GetInt64());
        ForeignEvaluationTests.AssertClose(elsewhere, CommandRun.Evaluate(fixture.ModelPath, fixture.ValidationShard));
        ForeignEvaluationTests.AssertClose(elsewhere, CommandRun.Evaluate(folder.PathOf("returned"), fixture.ValidationShard));
    }

    // What needs no PyTorch: the same bytes after import and export as NumPy wrote.
    [Fact]
    public void StoredModelComesBackAsItWas()
    {
        using var folder = new TemporaryFolder();
        CommandRun.Execute(ExitCode.Done, "model", "convert", "--model", ReferenceFiles.PathOf("kvshift"), "--output", folder.PathOf("stored"));
        Assert.Equal(ReferenceFiles.Tensors(ReferenceFiles.PathOf("kvshift")), ReferenceFiles.Tensors(folder.PathOf("stored")));
    }
}
