using System.Text;

namespace KvShiftScale.Data.Text;

/// <summary>
/// The name of a member in .NET documentation files, such as <c>M:System.String.IndexOf(System.Char,System.Int32)</c>, in readable form.
/// </summary>
/// <remarks>The format is the C# language specification's (documentation comments, ID string format).</remarks>
internal sealed class DocumentationId
{
    private readonly char _kind;
    private readonly string _name;
    private readonly string _parameters;
    private readonly string _returnType;

    public DocumentationId(string id)
    {
        var hasKind = id.Length > 2 && id[1] == ':';
        _kind = hasKind ? id[0] : ' ';
        var name = hasKind ? id[2..] : id;

        var conversion = name.LastIndexOf('~');
        _returnType = conversion >= 0 ? name[(conversion + 1)..] : "";
        name = conversion >= 0 ? name[..conversion] : name;

        var opening = name.IndexOf('(', StringComparison.Ordinal);
        _parameters = opening >= 0 ? name[(opening + 1)..].TrimEnd(')') : "";
        // '#' stands for a dot inside an explicitly implemented name, and begins #ctor and #cctor.
        _name = WithoutArity(opening >= 0 ? name[..opening] : name);
        TakesArguments = _kind == 'M' || opening >= 0;
    }

    private bool TakesArguments { get; }

    /// <summary>The name as other texts mention it: a type or a namespace alone, a member after its type.</summary>
    public string ShortName
    {
        get
        {
            var (owner, last) = SplitLast(_name);
            return _kind switch
            {
                'N' => _name,
                'T' or ' ' or '!' => last,
                _ when last is "#ctor" or "#cctor" => SplitLast(owner).Last,
                _ => SplitLast(owner).Last + "." + last.Replace('#', '.'),
            };
        }
    }

    /// <summary>Kind, full name and parameters: <c>Method System.String.IndexOf(Char value, Int32 startIndex)</c>.</summary>
    /// <param name="parameterNames">Used where there are as many as types.</param>
    /// <param name="typeParameterNames">Names of a method's own type parameters.</param>
    public string Title(IReadOnlyList<string> parameterNames, IReadOnlyList<string> typeParameterNames)
    {
        var (owner, last) = SplitLast(_name);
        var title = new StringBuilder();
        title.Append(_kind switch
        {
            'T' => "Type ",
            'M' when last is "#ctor" or "#cctor" => "Constructor ",
            'M' => "Method ",
            'P' => "Property ",
            'F' => "Field ",
            'E' => "Event ",
            'N' => "Namespace ",
            _ => "",
        });
        title.Append(last is "#ctor" or "#cctor" ? owner : _name.Replace('#', '.'));
        if (TakesArguments)
        {
            AppendParameters(title, parameterNames, typeParameterNames);
        }

        if (_returnType.Length > 0)
        {
            title.Append(" to ").Append(TypeName(_returnType, typeParameterNames));
        }

        return title.ToString();
    }

    private void AppendParameters(StringBuilder title, IReadOnlyList<string> names, IReadOnlyList<string> typeParameterNames)
    {
        var types = SplitTopLevel(_parameters);
        title.Append('(');
        for (var i = 0; i < types.Count; i++)
        {
            title.Append(i > 0 ? ", " : "").Append(TypeName(types[i], typeParameterNames));
            if (names.Count == types.Count && names[i].Length > 0)
            {
                title.Append(' ').Append(names[i]);
            }
        }

        title.Append(')');
    }

    /// <summary>
    /// <c>System.Func{``0,System.Int32[]}@</c> becomes <c>ref Func&lt;TResult, Int32[]&gt;</c>. A type parameter of the
    /// owner, whose name the member does not tell, becomes T1, T2 and so on.
    /// </summary>
    private static string TypeName(string type, IReadOnlyList<string> typeParameterNames)
    {
        if (type.EndsWith('@'))
        {
            return "ref " + TypeName(type[..^1], typeParameterNames);
        }

        var suffixStart = type.Length;
        while (suffixStart > 0 && type[suffixStart - 1] is '*' or ']')
        {
            suffixStart = type[suffixStart - 1] == '*' ? suffixStart - 1 : Math.Max(type.LastIndexOf('[', suffixStart - 1), 0);
        }

        // Bounds of arrays with several dimensions: [0:,0:] says no more than [,].
        var suffix = type[suffixStart..].Replace("0:", "", StringComparison.Ordinal);
        type = type[..suffixStart];
        var opening = type.IndexOf('{', StringComparison.Ordinal);
        if (opening >= 0)
        {
            var closing = MatchingBrace(type, opening);
            var arguments = SplitTopLevel(type[(opening + 1)..closing]).Select(argument => TypeName(argument, typeParameterNames));
            var name = $"{SplitLast(type[..opening]).Last}<{string.Join(", ", arguments)}>";
            // A type nested in a generic one: Dictionary{`0,`1}.Enumerator.
            var nested = closing + 2 < type.Length ? "." + TypeName(type[(closing + 2)..], typeParameterNames) : "";
            return name + nested + suffix;
        }

        return TypeParameterName(type, typeParameterNames) + suffix;
    }

    private static string TypeParameterName(string type, IReadOnlyList<string> typeParameterNames)
    {
        var isOfMethod = type.StartsWith("``", StringComparison.Ordinal);
        if (!type.StartsWith('`') || !int.TryParse(type.TrimStart('`'), out var index))
        {
            return SplitLast(type).Last;
        }

        return isOfMethod && index < typeParameterNames.Count && typeParameterNames[index].Length > 0
            ? typeParameterNames[index]
            : FormattableString.Invariant($"T{index + 1}");
    }

    private static int MatchingBrace(string type, int opening)
    {
        var depth = 0;
        for (var i = opening; i < type.Length; i++)
        {
            depth += type[i] == '{' ? 1 : type[i] == '}' ? -1 : 0;
            if (depth == 0)
            {
                return i;
            }
        }

        return type.Length;
    }

    private static (string Owner, string Last) SplitLast(string name)
    {
        var dot = name.LastIndexOf('.');
        return dot < 0 ? ("", name) : (name[..dot], name[(dot + 1)..]);
    }

    /// <summary>Cuts at the commas that stand outside braces and brackets.</summary>
    private static List<string> SplitTopLevel(string list)
    {
        var parts = new List<string>();
        var depth = 0;
        var start = 0;
        for (var i = 0; i < list.Length; i++)
        {
            depth += list[i] is '{' or '[' ? 1 : list[i] is '}' or ']' ? -1 : 0;
            if (list[i] == ',' && depth == 0)
            {
                parts.Add(list[start..i]);
                start = i + 1;
            }
        }

        if (list.Length > 0)
        {
            parts.Add(list[start..]);
        }

        return parts;
    }

    /// <summary>Drops the numbers of type parameters: <c>List`1</c>, <c>Select``2</c>.</summary>
    private static string WithoutArity(string name)
    {
        var text = new StringBuilder(name.Length);
        for (var i = 0; i < name.Length; i++)
        {
            if (name[i] != '`')
            {
                text.Append(name[i]);
                continue;
            }

            while (i + 1 < name.Length && (name[i + 1] == '`' || char.IsAsciiDigit(name[i + 1])))
            {
                i++;
            }
        }

        return text.ToString();
    }
}
