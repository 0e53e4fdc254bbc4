using System.Globalization;
using System.Reflection;

namespace KvShiftScale.Compat.Tests.Surface;

/// <summary>Types and parameters as the surface lists write them: C# keywords, short names, one level of nesting.</summary>
internal static class TypeText
{
    // What is absent here keeps the name that reflection gives it.
    private static readonly Dictionary<Type, string> s_keywords = new()
    {
        [typeof(bool)] = "bool",
        [typeof(byte)] = "byte",
        [typeof(sbyte)] = "sbyte",
        [typeof(short)] = "short",
        [typeof(int)] = "int",
        [typeof(uint)] = "uint",
        [typeof(long)] = "long",
        [typeof(ulong)] = "ulong",
        [typeof(float)] = "float",
        [typeof(double)] = "double",
        [typeof(string)] = "string",
        [typeof(object)] = "object",
        [typeof(void)] = "void",
    };

    public static string Of(Type type)
    {
        if (type.IsByRef) return "ref " + Of(type.GetElementType()!);
        if (type.IsPointer) return Of(type.GetElementType()!) + "*";
        if (type.IsArray) return $"{Of(type.GetElementType()!)}[{new string(',', type.GetArrayRank() - 1)}]";
        if (type.IsGenericParameter) return type.Name;
        if (Nullable.GetUnderlyingType(type) is { } underlying) return Of(underlying) + "?";
        if (s_keywords.TryGetValue(type, out var keyword)) return keyword;

        var arguments = string.Join(", ", type.GetGenericArguments().Select(Of));
        // Tuples of open type parameters have no full name and are written out.
        if (type.FullName?.StartsWith("System.ValueTuple`", StringComparison.Ordinal) == true) return $"({arguments})";
        var name = type.IsGenericType ? $"{WithoutArity(type.Name)}<{arguments}>" : type.Name;
        return type is { IsNested: true, DeclaringType.Name: not "torch" } ? $"{WithoutArity(type.DeclaringType.Name)}.{name}" : name;
    }

    public static string Of(ParameterInfo parameter)
    {
        var prefix = parameter.IsDefined(typeof(ParamArrayAttribute)) ? "params " : "";
        var type = Of(parameter.ParameterType);
        if (parameter.IsOut && parameter.ParameterType.IsByRef) type = "out" + type["ref".Length..];
        return $"{prefix}{type} {parameter.Name}{DefaultOf(parameter)}";
    }

    public static string Of(IEnumerable<ParameterInfo> parameters) => string.Join(", ", parameters.Select(Of));

    private static string DefaultOf(ParameterInfo parameter)
    {
        if (!parameter.HasDefaultValue) return "";
        var type = parameter.ParameterType;
        var text = parameter.RawDefaultValue switch
        {
            null => type.IsValueType && Nullable.GetUnderlyingType(type) is null ? "default" : "null",
            string value => $"\"{value}\"",
            bool value => value ? "true" : "false",
            var value when type.IsEnum => $"{type.Name}.{Enum.ToObject(type, value)}",
            var value => Convert.ToString(value, CultureInfo.InvariantCulture),
        };
        return $" = {text}";
    }

    private static string WithoutArity(string name) => name.Split('`')[0];
}
