using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;

namespace KvShiftScale.Compat.Tests.Surface;

/// <summary>Public and protected members as lines "type :: member", the form of compat/surface/*.txt.</summary>
internal static class SurfaceLines
{
    private const BindingFlags Declared
        = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;

    public static IEnumerable<string> Of(Assembly assembly) => assembly.GetExportedTypes().SelectMany(Of);

    public static IEnumerable<string> Of(Type type)
    {
        yield return TypeLine(type);
        var members = type.IsEnum
            ? Enum.GetNames(type)
                .Select(name => Line(type, $"{name} = {Convert.ToInt64(Enum.Parse(type, name), CultureInfo.InvariantCulture)}"))
            : type.GetMembers(Declared).Where(IsListed).Select(Of);
        foreach (var line in members) yield return line;
    }

    /// <summary>The line of a type itself.</summary>
    public static string TypeLine(Type type)
    {
        var kind = type switch
        {
            { IsEnum: true } => "enum",
            { IsInterface: true } => "interface",
            { IsValueType: true } => "struct",
            { IsAbstract: true, IsSealed: true } => "static class",
            { IsAbstract: true } => "abstract class",
            { IsSealed: true } => "sealed class",
            _ => "class",
        };
        var bases = new List<string>();
        if (type.BaseType is { } parent && parent != typeof(object) && !type.IsValueType) bases.Add(TypeText.Of(parent));
        if (!type.IsEnum) bases.AddRange(type.GetInterfaces().Select(TypeText.Of).Order(StringComparer.Ordinal));
        return Line(type, $"TYPE {kind} {TypeText.Of(type)}{(bases.Count > 0 ? " : " + string.Join(", ", bases) : "")}");
    }

    /// <summary>The line of a member of a type definition; an accessor's is that of its property.</summary>
    public static string Of(MemberInfo member)
    {
        var type = member.DeclaringType!;
        return Line(type, member switch
        {
            ConstructorInfo constructor => $"{Access(constructor)} .ctor({TypeText.Of(constructor.GetParameters())})",
            MethodInfo method => PropertyOf(method) is { } property ? Text(property) : Text(method),
            PropertyInfo property => Text(property),
            FieldInfo field => Text(field),
            _ => throw new ArgumentException($"{type}.{member.Name}: no form for a {member.MemberType}"),
        });
    }

    private static bool IsListed(MemberInfo member) => member switch
    {
        MethodInfo { Name: "Finalize" } => false,
        MethodInfo method => IsVisible(method) && PropertyOf(method) is null,
        ConstructorInfo constructor => IsVisible(constructor) && !constructor.IsStatic,
        PropertyInfo property => IsVisible(property.GetMethod) || IsVisible(property.SetMethod),
        FieldInfo field => (field.IsPublic || field.IsFamily) && !field.IsSpecialName,
        // Nested types have lines of their own; events appear as their accessors.
        _ => false,
    };

    private static bool IsVisible(MethodBase? method) => method is { IsPublic: true } or { IsFamily: true } or { IsFamilyOrAssembly: true };

    private static string Access(MethodBase method) => method.IsPublic ? "public" : "protected";

    private static PropertyInfo? PropertyOf(MethodInfo method)
        => method.IsSpecialName
            ? Array.Find(method.DeclaringType!.GetProperties(Declared), p => p.GetMethod == method || p.SetMethod == method)
            : null;

    private static string Text(MethodInfo method)
    {
        var modifiers = method switch
        {
            { IsStatic: true } => " static",
            { IsAbstract: true } => " abstract",
            { IsVirtual: true, IsFinal: false } => method.GetBaseDefinition() == method ? " virtual" : " override",
            _ => "",
        };
        var generic = method.IsGenericMethod ? $"<{string.Join(",", method.GetGenericArguments().Select(TypeText.Of))}>" : "";
        var extended = method.IsDefined(typeof(ExtensionAttribute)) ? "this " : "";
        var constraints = method.IsGenericMethod ? string.Concat(method.GetGenericArguments().Select(Constraints)) : "";
        var obsolete = method.GetCustomAttribute<ObsoleteAttribute>() is { } attribute ? $" [Obsolete(error:{attribute.IsError})]" : "";
        return $"{Access(method)}{modifiers} {TypeText.Of(method.ReturnType)} {method.Name}{generic}"
            + $"({extended}{TypeText.Of(method.GetParameters())}){constraints}{obsolete}";
    }

    private static string Constraints(Type parameter)
    {
        var constraints = parameter.GetGenericParameterConstraints().Select(TypeText.Of).ToList();
        if (parameter.GenericParameterAttributes.HasFlag(GenericParameterAttributes.NotNullableValueTypeConstraint))
            constraints.Insert(0, "struct");
        return constraints.Count > 0 ? $" where {parameter.Name}: {string.Join(", ", constraints)}" : "";
    }

    private static string Text(PropertyInfo property)
    {
        var (getter, setter) = (property.GetMethod, property.SetMethod);
        var access = Access(IsVisible(getter) ? getter! : setter!);
        var stay = (getter ?? setter)!.IsStatic ? " static" : "";
        var index = property.GetIndexParameters() is { Length: > 0 } parameters ? $"[{TypeText.Of(parameters)}]" : "";
        var get = IsVisible(getter) ? "get; " : "";
        var set = !IsVisible(setter) ? "" : setter!.IsPublic ? "set; " : "protected set; ";
        return $"{access}{stay} {TypeText.Of(property.PropertyType)} {property.Name}{index} {{ {get}{set}}}";
    }

    private static string Text(FieldInfo field)
    {
        var modifiers = (field.IsStatic ? " static" : "") + (field.IsInitOnly ? " readonly" : "") + (field.IsLiteral ? " const" : "");
        var value = field.IsLiteral ? $" = {Convert.ToString(field.GetRawConstantValue(), CultureInfo.InvariantCulture)}" : "";
        return $"{(field.IsPublic ? "public" : "protected")}{modifiers} {TypeText.Of(field.FieldType)} {field.Name}{value}";
    }

    private static string Line(Type type, string text)
        => $"{type.FullName!.Replace("TorchSharp.", "", StringComparison.Ordinal).Replace('+', '.')} :: {text}";
}
