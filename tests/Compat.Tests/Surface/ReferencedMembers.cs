using System.Reflection;
using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;

namespace KvShiftScale.Compat.Tests.Surface;

/// <summary>What the code of one assembly names in another: read from its metadata, so that nothing inlined or implied is missed.</summary>
internal static class ReferencedMembers
{
    // Stand for the type variables of the referring code; byte meets every constraint that appears there.
    private static readonly Type[] s_variables = Enumerable.Repeat(typeof(byte), 32).ToArray();

    /// <summary>Surface lines of the members and types of <paramref name="target"/> that <paramref name="source"/> refers to.</summary>
    public static IEnumerable<string> Lines(Assembly source, Assembly target)
    {
        using var file = new PEReader(File.OpenRead(source.Location));
        var metadata = file.GetMetadataReader();
        var module = source.ManifestModule;
        foreach (var handle in metadata.TypeReferences)
        {
            var type = module.ResolveType(MetadataTokens.GetToken(handle));
            if (type.Assembly == target) yield return SurfaceLines.TypeLine(type);
        }
        foreach (var handle in metadata.MemberReferences)
        {
            var member = module.ResolveMember(MetadataTokens.GetToken(handle), s_variables, s_variables)!;
            if (member.DeclaringType is not { IsArray: false } declaring || declaring.Assembly != target) continue;
            // A member of Module<Tensor, Tensor> is listed as a member of Module<T, TResult>.
            yield return SurfaceLines.Of(declaring.Module.ResolveMember(member.MetadataToken)!);
        }
    }
}
