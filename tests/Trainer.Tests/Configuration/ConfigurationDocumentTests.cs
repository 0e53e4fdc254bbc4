using KvShiftScale.Core.Configuration;
using KvShiftScale.Core.Text;
using KvShiftScale.Models.Configuration;
using KvShiftScale.Trainer.Configuration;

namespace KvShiftScale.Trainer.Tests.Configuration;

/// <summary>docs/configuration.md names every key that there is, and no other; configs/ can be read.</summary>
public sealed class ConfigurationDocumentTests
{
    [Fact]
    public void DocumentNamesExactlyTheKeysThatExist()
    {
        var documented = File.ReadLines(Path.Combine(Repository(), "docs", "configuration.md"))
            .Where(line => line.StartsWith("| `", StringComparison.Ordinal))
            .Select(line => line[3..line.IndexOf('`', 3)])
            .Order();

        var keys = ConfigKeys.PathsBelow(typeof(RunConfig), "").Where(key => key.Contains('.', StringComparison.Ordinal) || key == "precision").Order();

        Assert.Equal(keys, documented);
    }

    [Fact]
    public void DocumentGivesEveryPresetWithItsSize()
    {
        var rows = File.ReadLines(Path.Combine(Repository(), "docs", "configuration.md"))
            .Select(line => line.Split('|', StringSplitOptions.TrimEntries))
            .Where(cells => cells.Length > 10 && ModelPresets.Names.Contains(cells[1]))
            .Select(cells => (cells[1], cells[5], cells[6], cells[7], cells[8], cells[9], cells[10]));

        Assert.Equal(ModelPresets.Names.Select(name =>
        {
            var model = ModelPresets.Find(name)!;
            var counts = ParameterCounts.Of(model);
            var (even, odd) = (model.Attention(0), model.Attention(1));
            var heads = even == odd ? $"{even.Heads} / {even.KvHeads}" : $"{even.Heads} / {even.KvHeads}, {odd.Heads} / {odd.KvHeads}";
            return (name, heads, Quantity.Whole(model.FfnSize), Quantity.Whole(model.VocabSize), Quantity.Count(counts.Total),
                Quantity.Count(counts.NonEmbedding), Quantity.Whole(counts.ShiftScalars));
        }), rows);
    }

    [Fact]
    public void EveryShippedConfigurationKeepsTheRules()
    {
        var files = Directory.GetFiles(Path.Combine(Repository(), "configs"), "*.yaml");
        Assert.NotEmpty(files);
        foreach (var file in files)
        {
            RunConfigRules.Check(RunConfigReader.Read(file, []), ranks: 2);
        }
    }

    private static string Repository()
    {
        var directory = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(directory.FullName, "KvShiftScale.sln")))
        {
            directory = directory.Parent!;
        }

        return directory.FullName;
    }
}
