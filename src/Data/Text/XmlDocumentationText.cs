using System.Text;
using System.Xml;
using System.Xml.Linq;

namespace KvShiftScale.Data.Text;

/// <summary>
/// Plain text from .NET API documentation files: a document a member, with its readable name, summary, type parameters, parameters,
/// result, exceptions and remarks. References appear as names, white space is normalized. Members without text are left out.
/// </summary>
public static class XmlDocumentationText
{
    private static readonly XmlReaderSettings Settings = new()
    {
        DtdProcessing = DtdProcessing.Ignore,
        IgnoreComments = true,
        IgnoreProcessingInstructions = true,
    };

    /// <summary>Whether the XML has <c>members</c> under the root <c>doc</c>. Other text, well-formed or not, has not.</summary>
    public static bool IsDocumentation(TextReader text)
    {
        try
        {
            using var reader = XmlReader.Create(text, Settings);
            return MoveToMembers(reader);
        }
        catch (XmlException)
        {
            return false;
        }
    }

    /// <summary>The documents of a documentation file, in its order.</summary>
    /// <exception cref="XmlException">The file is not well-formed.</exception>
    public static IEnumerable<string> Read(TextReader text)
    {
        using var reader = XmlReader.Create(text, Settings);
        if (!MoveToMembers(reader))
        {
            yield break;
        }

        reader.Read();
        while (!reader.EOF && reader.NodeType != XmlNodeType.EndElement)
        {
            if (reader.NodeType != XmlNodeType.Element)
            {
                reader.Read();
            }
            else if (Render((XElement)XNode.ReadFrom(reader)) is { } document)
            {
                yield return document;
            }
        }
    }

    private static bool MoveToMembers(XmlReader reader)
    {
        reader.MoveToContent();
        if (reader.NodeType != XmlNodeType.Element || reader.LocalName != "doc" || reader.IsEmptyElement)
        {
            return false;
        }

        reader.Read();
        while (!reader.EOF && reader.NodeType != XmlNodeType.EndElement)
        {
            if (reader.NodeType == XmlNodeType.Element && reader.LocalName == "members")
            {
                return !reader.IsEmptyElement;
            }

            // Skip passes over an element with all that is in it.
            reader.Skip();
        }

        return false;
    }

    private static string? Render(XElement member)
    {
        if (member.Attribute("name") is not { } name)
        {
            return null;
        }

        var body = new StringBuilder();
        AddSections(body, member, "summary", _ => "");
        AddSections(body, member, "typeparam", element => $"{(string?)element.Attribute("name")}: ");
        AddSections(body, member, "param", element => $"{(string?)element.Attribute("name")}: ");
        AddSections(body, member, "returns", _ => "Returns: ");
        AddSections(body, member, "value", _ => "Value: ");
        AddSections(body, member, "exception", element => $"Throws {ReferenceName(element)}: ");
        AddSections(body, member, "remarks", _ => "Remarks: ");
        if (body.Length == 0)
        {
            return null;
        }

        var parameters = member.Elements("param").Select(element => (string?)element.Attribute("name") ?? "").ToList();
        var typeParameters = member.Elements("typeparam").Select(element => (string?)element.Attribute("name") ?? "").ToList();
        return $"{new DocumentationId(name.Value).Title(parameters, typeParameters)}\n{body}";
    }

    private static void AddSections(StringBuilder body, XElement member, string name, Func<XElement, string> heading)
    {
        foreach (var element in member.Elements(name))
        {
            var text = new TextLines();
            AddContent(text, element);
            if (text.ToString() is { Length: > 0 } content)
            {
                body.Append(heading(element)).Append(content).Append('\n');
            }
        }
    }

    private static void AddContent(TextLines text, XElement parent)
    {
        foreach (var node in parent.Nodes())
        {
            switch (node)
            {
                case XText content:
                    text.Add(content.Value);
                    break;
                case XElement element:
                    AddElement(text, element);
                    break;
            }
        }
    }

    private static void AddElement(TextLines text, XElement element)
    {
        var name = element.Name.LocalName;
        var isBlock = name is "para" or "p" or "br" or "list" or "item" or "listheader" or "code" or "example" or "note";
        if (isBlock)
        {
            text.BreakLine();
        }

        if (element.IsEmpty || (name is "see" or "seealso" && element.Value.Length == 0))
        {
            text.Add(ReferenceName(element));
        }
        else
        {
            AddContent(text, element);
            if (name == "term")
            {
                text.Add(": ");
            }
        }

        if (isBlock)
        {
            text.BreakLine();
        }
    }

    /// <summary>What an element without content stands for: a member, a keyword, an address or a parameter.</summary>
    private static string ReferenceName(XElement element)
        => (string?)element.Attribute("cref") is { } reference
            ? new DocumentationId(reference).ShortName
            : (string?)element.Attribute("langword") ?? (string?)element.Attribute("href") ?? (string?)element.Attribute("name") ?? "";

    /// <summary>Text with single blanks between words and single breaks between lines.</summary>
    private sealed class TextLines
    {
        private readonly StringBuilder _text = new();
        private char _separator;

        public void Add(string text)
        {
            foreach (var character in text)
            {
                if (char.IsWhiteSpace(character))
                {
                    Separate(' ');
                    continue;
                }

                if (_separator != '\0')
                {
                    _text.Append(_separator);
                    _separator = '\0';
                }

                _text.Append(character);
            }
        }

        public void BreakLine() => Separate('\n');

        public override string ToString() => _text.ToString();

        private void Separate(char separator)
        {
            if (_text.Length > 0 && _separator != '\n')
            {
                _separator = separator;
            }
        }
    }
}
