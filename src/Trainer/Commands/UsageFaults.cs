using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Parsing;
using System.Text.RegularExpressions;
using KvShiftScale.Core.Configuration;
using KvShiftScale.Core.Text;
using KvShiftScale.Trainer.Configuration;

namespace KvShiftScale.Trainer.Commands;

/// <summary>
/// What is wrong with a command line, so that the right word is blamed: an option that a verb does not have is no file, number or folder of an option before it, and
/// what then seems to be missing or too many is its consequence.
/// </summary>
internal static partial class UsageFaults
{
    // Options whose value may look like an option: text that somebody writes.
    private static readonly string[] FreeText = ["--prompt", "--field", "--set"];

    /// <summary>Sentences of what was found and what is wanted; none where the command line can be run.</summary>
    public static IReadOnlyList<string> Of(ParseResult parsed)
    {
        if (parsed.Action is HelpAction)
        {
            return [];
        }

        var verb = PathOf(parsed.CommandResult);
        if (UnknownOptions(parsed, verb) is { Count: > 0 } unknown)
        {
            return unknown;
        }

        if (parsed.CommandResult.Command.Subcommands.Count > 0 && parsed.CommandResult.Command.Action is null)
        {
            return [UnknownVerb(parsed, verb)];
        }

        var numbers = parsed.CommandResult.Children.OfType<OptionResult>().Where(option => option is { Implicit: false, Tokens.Count: 1 })
            .Select(option => (Option: option, Fault: NumberFault(option, verb))).ToList();
        // What the library says of the text of a number names a type of the program.
        var others = parsed.Errors.Where(error => !numbers.Exists(number => number.Fault is not null && error.SymbolResult == number.Option)
            && error.SymbolResult?.Parent is not OptionResult).Select(error => error.Message);
        return [.. numbers.Select(number => number.Fault).OfType<string>(), .. others];
    }

    /// <summary>The verb of a command as it is written: experiment induction; empty for the program itself.</summary>
    private static string PathOf(CommandResult command)
        => command.Parent is CommandResult parent ? $"{PathOf(parent)} {command.Command.Name}".TrimStart() : "";

    private static List<string> UnknownOptions(ParseResult parsed, string verb)
    {
        var faults = new List<string>();
        Token? before = null;
        foreach (var token in parsed.Tokens)
        {
            if (token.Type == TokenType.DoubleDash)
            {
                break;
            }

            var isText = before is { Type: TokenType.Option } && FreeText.Contains(before.Value);
            if (token.Type == TokenType.Argument && !isText && OptionForm().IsMatch(token.Value))
            {
                faults.Add(UnknownOption(token.Value.Split('=')[0], parsed.CommandResult.Command, verb));
            }

            before = token;
        }
        return faults;
    }

    private static string UnknownOption(string name, Command command, string verb)
    {
        string[] known = [.. command.Options.Where(option => option is not (HelpOption or VersionOption)).Select(option => option.Name)];
        var who = $"kvshift {verb}".TrimEnd();
        var nearest = Nearest(name, known);
        var wanted = known.Length == 0 ? $"{who} takes no options" : $"{who} has {string.Join(", ", known)}";
        return $"found the unknown option {name}; {wanted}{(nearest is null ? "" : $"; did you mean {nearest}?")}";
    }

    private static string UnknownVerb(ParseResult parsed, string verb)
    {
        string[] known = [.. parsed.CommandResult.Command.Subcommands.Select(command => command.Name)];
        var who = $"kvshift {verb}".TrimEnd();
        var wanted = $"{who} wants one of {string.Join(", ", known)}";
        if (parsed.UnmatchedTokens is not [var found, ..])
        {
            return $"found no verb; {wanted}";
        }

        // A verb of a group that was written without the group.
        var elsewhere = parsed.RootCommandResult.Command.Subcommands
            .SelectMany(group => group.Subcommands.Where(below => below.Name == found && group.Name != verb).Select(below => $"{group.Name} {below.Name}")).ToArray();
        var meant = elsewhere.Length > 0 ? string.Join(" or ", elsewhere) : Nearest(found, known);
        return $"found the unknown verb '{found}'; {wanted}{(meant is null ? "" : $"; did you mean {meant}?")}";
    }

    private static string? NumberFault(OptionResult result, string verb)
    {
        var name = result.Option.Name;
        if (!NumberBounds.Options.TryGetValue($"{verb} {name}", out var bound))
        {
            return null;
        }

        var text = result.Tokens[0].Value;
        if (bound.Read(text) is not { } number)
        {
            var remedy = bound is NumberBound.Whole && NumberText.MeantWhole(text) is { } meant && bound.Read(meant) is { } read && bound.BrokenBy(read) is null
                ? $"write {name} {meant}" : bound.Remedy;
            return $"found {name} {text}; wanted {bound.Kind}; {remedy}";
        }
        // "must be at least 1" of a rule is "wanted at least 1" here.
        return bound.BrokenBy(number) switch
        {
            null => null,
            "not be negative" => $"found {name} {text}; wanted at least 0; {bound.Remedy}",
            var broken => $"found {name} {text}; wanted {broken[3..]}; {bound.Remedy}",
        };
    }

    // A word that is a slip away, or begun.
    private static string? Nearest(string found, IReadOnlyList<string> known)
        => known.Select(name => (Name: name, Distance: name.StartsWith(found, StringComparison.OrdinalIgnoreCase) ? 1 : ConfigKeys.EditDistance(found, name)))
            .Where(candidate => candidate.Distance <= Math.Max(2, found.TrimStart('-').Length / 3)).OrderBy(candidate => candidate.Distance)
            .Select(candidate => candidate.Name).FirstOrDefault();

    [GeneratedRegex("^--?[A-Za-z]")]
    private static partial Regex OptionForm();
}
