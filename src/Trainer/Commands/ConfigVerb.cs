using System.CommandLine;
using KvShiftScale.Core;
using KvShiftScale.Trainer.Configuration;

namespace KvShiftScale.Trainer.Commands;

/// <summary><c>kvshift config</c>: keys, defaults and meanings, and what a file makes of them.</summary>
internal static class ConfigVerb
{
    private const int CommentWidth = 110;

    private static readonly Lazy<IReadOnlyDictionary<string, string>> Meanings = new(ConfigMeanings.Read);

    public static Command Build()
    {
        var config = new Argument<string?>("config")
        {
            Description = "Configuration of a run, YAML, or a run's name or folder. Without: all keys with their defaults and meanings, as a file to edit.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        var set = new Option<string[]>("--set") { Description = "key.path=value; replaces what the file has.", DefaultValueFactory = _ => [] };
        var changed = new Option<bool>("--changed") { Description = "Only what is not the default, with the default beside it." };
        var key = new Option<string?>("--key") { Description = "Only keys that have this in their name or meaning." };
        var command = new Command("config", "Prints the keys of a configuration: defaults and meanings, or what a file comes to.") { config, set, changed, key };
        command.SetAction(parsed => Run(parsed.GetValue(config), parsed.GetValue(set)!, parsed.GetValue(changed), parsed.GetValue(key)));
        return command;
    }

    private static int Run(string? file, string[] settings, bool onlyChanged, string? word)
    {
        if (file is null)
        {
            if (onlyChanged || settings.Length > 0)
            {
                throw new UsageException($"found {(onlyChanged ? "--changed" : "--set")} without a configuration; wanted kvshift config FILE");
            }

            WriteDefaults(word);
            return ExitCode.Done;
        }

        var config = RunConfigReader.Read(FileOf(file), [.. settings.Select(ConfigOverride.Parse)]);
        if (onlyChanged)
        {
            foreach (var value in ConfigValues.Changed(config).Where(value => IsAsked(value.Key, word)))
            {
                Console.WriteLine($"{value.Key}: {value.Value}{(value.Default is null ? "" : $"   # default {value.Default}")}");
            }
        }
        else if (word is not null)
        {
            foreach (var (key, value) in ConfigValues.Of(config).Where(value => IsAsked(value.Key, word)))
            {
                Console.WriteLine($"{key}: {value}");
            }
        }
        else
        {
            Console.Write(RunConfigWriter.Write(config));
        }

        return ExitCode.Done;
    }

    private static string FileOf(string named)
        => File.Exists(named) || named.EndsWith(".yaml", StringComparison.Ordinal) || named.EndsWith(".yml", StringComparison.Ordinal)
            ? named : Path.Combine(RunPath.FolderOf(named), RunFolders.RunFolder.ConfigurationName);

    private static void WriteDefaults(string? word)
    {
        var section = "";
        foreach (var (key, value) in ConfigValues.Of(new RunConfig { Run = new RunSection { Name = "my-run", Steps = 1000 } }))
        {
            if (!IsAsked(key, word))
            {
                continue;
            }

            var dot = key.LastIndexOf('.');
            var (above, name) = dot < 0 ? ("", key) : (key[..dot], key[(dot + 1)..]);
            if (above != section)
            {
                Console.WriteLine(above.Length == 0 ? "" : $"\n{above}:");
                section = above;
            }

            var indent = dot < 0 ? "" : "  ";
            foreach (var line in Wrap(Meanings.Value[key]))
            {
                Console.WriteLine($"{indent}# {line}");
            }

            Console.WriteLine($"{indent}{name}: {value}");
        }
    }

    // By its name or meaning.
    private static bool IsAsked(string key, string? word)
        => word is null || key.Contains(word, StringComparison.OrdinalIgnoreCase) || Meanings.Value[key].Contains(word, StringComparison.OrdinalIgnoreCase);

    private static IEnumerable<string> Wrap(string text)
    {
        var line = "";
        foreach (var word in text.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            if (line.Length > 0 && line.Length + 1 + word.Length > CommentWidth)
            {
                yield return line;
                line = "";
            }

            line = line.Length == 0 ? word : $"{line} {word}";
        }

        if (line.Length > 0)
        {
            yield return line;
        }
    }
}
