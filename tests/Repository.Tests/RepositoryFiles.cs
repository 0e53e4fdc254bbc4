namespace KvShiftScale.Repository.Tests;

/// <summary>The working tree that this test was built from.</summary>
internal static class RepositoryFiles
{
    private static readonly string[] BuiltFolders = ["artifacts", "bin", "obj", "runs", "node_modules"];

    /// <summary>Full path of the folder with KvShiftScale.sln.</summary>
    public static string Root { get; } = FindRoot();

    public static string Path(string relative) => System.IO.Path.Combine(Root, relative);

    /// <summary>Files below a folder that a person wrote, with '/' and relative to the root.</summary>
    public static IEnumerable<string> Below(string folder, string pattern)
        => Directory.EnumerateFiles(Path(folder), pattern, SearchOption.AllDirectories)
            .Select(file => System.IO.Path.GetRelativePath(Root, file).Replace('\\', '/'))
            .Where(file => !file.Split('/').Any(part => BuiltFolders.Contains(part) || part.StartsWith('.')))
            .Order(StringComparer.Ordinal);

    public static string Text(string relative) => File.ReadAllText(Path(relative));

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(System.IO.Path.Combine(folder.FullName, "KvShiftScale.sln")))
            {
                return folder.FullName;
            }
        }
        throw new DirectoryNotFoundException($"no KvShiftScale.sln above {AppContext.BaseDirectory}");
    }
}
