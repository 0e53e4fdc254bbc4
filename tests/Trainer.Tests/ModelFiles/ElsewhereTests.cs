using System.Diagnostics;
using System.Text.Json;
using KvShiftScale.Trainer.Tests.EndToEnd;

namespace KvShiftScale.Trainer.Tests.ModelFiles;

/// <summary>A model that training wrote, imported into PyTorch, computed and written there, and imported back.</summary>
[Collection(nameof(EndToEndGroup))]
public sealed class ElsewhereTests(TrainingFixture fixture)
{
    [Fact]
    public void TrainedModelGoesToPyTorchAndBack()
    {
        using var folder = new TemporaryFolder();
        if (PythonWithTorch() is not { } python)
        {
            // What Debian's python3-torch would show, against files that NumPy wrote: the same bytes after import and export.
            Console.WriteLine("NOTE: no python3 here has torch; import elsewhere is checked against stored files only (apt-get install python3-torch).");
            CommandRun.Execute(ExitCode.Done, "model", "convert", "--model", ReferenceFiles.PathOf("kvshift"), "--output", folder.PathOf("stored"));
            Assert.Equal(ReferenceFiles.Tensors(ReferenceFiles.PathOf("kvshift")), ReferenceFiles.Tensors(folder.PathOf("stored")));
            return;
        }
        var exported = folder.PathOf("exported");
        CommandRun.Execute(ExitCode.Done, "model", "convert", "--model", fixture.ModelPath, "--output", exported, "--max-shard-size", "40KB");
        var documents = folder.PathOf("documents.json");
        File.WriteAllText(documents, JsonSerializer.Serialize(fixture.Encode(TrainingFixture.ValidationTexts)));

        using var run = ProgramRun.StartFile(python, [ReferenceFiles.PathOf("elsewhere.py"), exported, documents, "48", folder.PathOf("returned")]);
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

    // Debian's package serves /usr/bin/python3, which need not be the one on the path.
    private static string? PythonWithTorch()
    {
        foreach (var candidate in (string[])["python3", "/usr/bin/python3"])
        {
            try
            {
                using var process = Process.Start(new ProcessStartInfo(candidate, ["-c", "import torch, numpy"]) { RedirectStandardError = true, RedirectStandardOutput = true })!;
                process.StandardError.ReadToEnd();
                process.WaitForExit();
                if (process.ExitCode == 0) return candidate;
            }
            catch (System.ComponentModel.Win32Exception)
            {
                // No such program.
            }
        }
        return null;
    }
}
