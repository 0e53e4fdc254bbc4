using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace KvShiftScale.Repository.Tests;

/// <summary>Which folders of C# sources use which, by the types that the compiler finds behind the names in them.</summary>
internal sealed class FolderGraph
{
    private const string ImplicitUsings = """
        global using System; global using System.Collections.Generic; global using System.IO; global using System.Linq; global using System.Net.Http;
        global using System.Threading; global using System.Threading.Tasks;
        """;

    private readonly SortedDictionary<(string From, string To), SortedSet<string>> _arrows = [];

    /// <summary>Reads sources.</summary>
    /// <param name="sources">Path, relative with '/', and text of each file.</param>
    /// <param name="references">Assemblies that they need beside one another.</param>
    public FolderGraph(IEnumerable<(string Path, string Text)> sources, IEnumerable<string> references)
    {
        var options = new CSharpParseOptions(LanguageVersion.Latest);
        List<SyntaxTree> trees = [.. sources.Select(source => CSharpSyntaxTree.ParseText(source.Text, options, source.Path))];
        var compilation = CSharpCompilation.Create("sources", [.. trees, CSharpSyntaxTree.ParseText(ImplicitUsings, options)],
            references.Select(path => MetadataReference.CreateFromFile(path)), new CSharpCompilationOptions(OutputKind.ConsoleApplication, allowUnsafe: true));
        foreach (var tree in trees)
        {
            Read(tree, compilation.GetSemanticModel(tree));
        }
    }

    /// <summary>All folders that hold a file.</summary>
    public SortedSet<string> Folders { get; } = [];

    /// <summary>Folder that uses, folder that is used, and by what: file -> type.</summary>
    public IEnumerable<(string From, string To, IReadOnlyCollection<string> Uses)> Arrows
        => _arrows.Select(arrow => (arrow.Key.From, arrow.Key.To, (IReadOnlyCollection<string>)arrow.Value));

    /// <summary>Groups of folders that all use one another, directly or through others.</summary>
    public IEnumerable<IReadOnlyList<string>> Circles()
    {
        var reached = Folders.ToDictionary(folder => folder, ReachedFrom);
        var left = new SortedSet<string>(Folders.Where(folder => reached[folder].Contains(folder)));
        while (left.Count > 0)
        {
            var first = left.Min!;
            List<string> circle = [.. left.Where(other => reached[first].Contains(other) && reached[other].Contains(first))];
            left.ExceptWith(circle);
            yield return circle;
        }
    }

    private static string FolderOf(SyntaxTree tree) => tree.FilePath[..Math.Max(0, tree.FilePath.LastIndexOf('/'))];

    private void Read(SyntaxTree tree, SemanticModel model)
    {
        var from = FolderOf(tree);
        Folders.Add(from);
        foreach (var name in tree.GetRoot().DescendantNodes().OfType<SimpleNameSyntax>())
        {
            // Sources that generators add are not there, so that a name may have candidates alone.
            var info = model.GetSymbolInfo(name);
            var symbol = info.Symbol ?? info.CandidateSymbols.FirstOrDefault();
            var type = symbol is ILocalSymbol or IParameterSymbol ? null : symbol as INamedTypeSymbol ?? symbol?.ContainingType;
            if (type?.OriginalDefinition.DeclaringSyntaxReferences is not [var declaration, ..] || FolderOf(declaration.SyntaxTree) is var to && to == from)
            {
                continue;
            }

            if (!_arrows.TryGetValue((from, to), out var uses))
            {
                _arrows.Add((from, to), uses = []);
            }

            uses.Add($"{Path.GetFileName(tree.FilePath)} -> {type.Name}");
        }
    }

    private HashSet<string> ReachedFrom(string folder)
    {
        var reached = new HashSet<string>();
        var next = new Queue<string>([folder]);
        while (next.TryDequeue(out var at))
        {
            foreach (var (_, to) in _arrows.Keys.Where(arrow => arrow.From == at && reached.Add(arrow.To)))
            {
                next.Enqueue(to);
            }
        }

        return reached;
    }
}
