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

        var keys = ConfigKeys.PathsBelow(typeof(RunConfig), "").Where(key => key.Contains('.', StringComparison.Ordinal)).Order();

        Assert.Equal(keys, documented);
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
