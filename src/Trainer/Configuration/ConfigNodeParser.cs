using KvShiftScale.Core;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace KvShiftScale.Trainer.Configuration;

/// <summary>
/// YAML text to <see cref="ConfigNode"/>s. Unlike YamlDotNet's own document model it keeps repeated keys, so that they can be
/// reported with both places.
/// </summary>
internal sealed class ConfigNodeParser
{
    // A configuration has four. Each takes a piece of this thread's stack.
    private const int MostLevels = 64;

    private readonly Parser _parser;
    private readonly Func<Mark, string> _positionOf;
    private readonly Dictionary<string, ConfigNode> _anchors = [];
    private int _level;

    private ConfigNodeParser(TextReader text, Func<Mark, string> positionOf)
    {
        _parser = new Parser(text);
        _positionOf = positionOf;
    }

    /// <summary>Parses a whole document; an empty one is an empty section.</summary>
    /// <param name="text">YAML.</param>
    /// <param name="key">What a message about broken YAML calls the text: a key, or the configuration file.</param>
    /// <param name="positionOf">Describes a place in the text.</param>
    /// <exception cref="ConfigException">The text is not one YAML document.</exception>
    public static ConfigNode Parse(string text, string key, Func<Mark, string> positionOf)
    {
        try
        {
            return new ConfigNodeParser(new StringReader(text), positionOf).Document();
        }
        catch (YamlException error)
        {
            var shown = text.Contains('\n', StringComparison.Ordinal) ? LineOf(text, error.Start) : text;
            throw new ConfigException(new ConfigFault(
                key, shown.Length > 80 ? shown[..80] + "..." : shown, $"must be YAML ({error.Message})",
                "correct the syntax; text with one of * & ! % @ : # [ ] { } in it goes in quotes", positionOf(error.Start)));
        }
    }

    private ConfigNode Document()
    {
        _parser.Consume<StreamStart>();
        if (_parser.TryConsume<StreamEnd>(out var end))
        {
            return ConfigNode.Scalar("", isPlain: true, _positionOf(end.Start));
        }

        _parser.Consume<DocumentStart>();
        var root = Node();
        _parser.Consume<DocumentEnd>();
        if (_parser.TryConsume<DocumentStart>(out var second))
        {
            throw new YamlException(second.Start, second.End, "a second document starts here; one is wanted");
        }

        return root;
    }

    private ConfigNode Node()
    {
        if (_parser.TryConsume<AnchorAlias>(out var alias))
        {
            return _anchors.TryGetValue(alias.Value.Value, out var known)
                ? known
                : throw new YamlException(alias.Start, alias.End, $"no anchor '{alias.Value}' comes before this alias");
        }

        var start = _parser.Consume<NodeEvent>();
        if (!start.Tag.IsEmpty && !start.Tag.IsNonSpecific)
        {
            throw new YamlException(start.Start, start.End, $"the tag {start.Tag} has no meaning here");
        }

        if (++_level > MostLevels)
        {
            throw new YamlException(start.Start, start.End, $"lists and sections lie in each other more than {MostLevels} times here");
        }

        var position = _positionOf(start.Start);
        var node = start switch
        {
            Scalar scalar => ConfigNode.Scalar(scalar.Value, scalar.Style == ScalarStyle.Plain, position),
            SequenceStart => Items(ConfigNode.List(position)),
            _ => Entries(ConfigNode.Section(position)),
        };
        _level--;
        if (!start.Anchor.IsEmpty)
        {
            _anchors[start.Anchor.Value] = node;
        }

        return node;
    }

    private ConfigNode Items(ConfigNode list)
    {
        while (!_parser.TryConsume<SequenceEnd>(out _))
        {
            list.Items!.Add(Node());
        }

        return list;
    }

    private ConfigNode Entries(ConfigNode section)
    {
        while (!_parser.TryConsume<MappingEnd>(out var _))
        {
            var key = Node();
            section.Entries!.Add((key, Node()));
        }

        return section;
    }

    private static string LineOf(string text, Mark mark)
    {
        var lines = text.Split('\n');
        return mark.Line >= 1 && mark.Line <= lines.Length ? lines[(int)mark.Line - 1].Trim() : "(end of file)";
    }
}
