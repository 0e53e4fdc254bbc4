using KvShiftScale.Core.Files;
using KvShiftScale.Parallel.Mesh;

namespace KvShiftScale.Trainer.RunFolders;

/// <summary>What tells a run from all others, also from another one of the same name: made once, and kept in the run's folder.</summary>
internal static class RunId
{
    /// <summary>Name of the file.</summary>
    public const string FileName = "run-id";

    /// <summary>The run's id, the same on all ranks; one is made where there is none. Collective.</summary>
    /// <param name="folder">The run's folder.</param>
    /// <param name="ranks">The ranks of the launch.</param>
    /// <param name="warn">Told on the first rank when the id cannot be kept, so that it is one of this launch alone.</param>
    public static string Agree(string folder, ParallelContext ranks, Action<string> warn)
        => ranks.BroadcastText(ranks.World.Rank == 0 ? ReadOrMake(folder, warn) : "");

    private static string ReadOrMake(string folder, Action<string> warn)
    {
        var path = Path.Combine(folder, FileName);
        var made = Guid.NewGuid().ToString();
        try
        {
            if (File.Exists(path) && Guid.TryParse(File.ReadAllText(path).Trim(), out var kept))
            {
                return kept.ToString();
            }

            Directory.CreateDirectory(folder);
            DurableFile.Replace(path, made + "\n");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            warn($"telemetry: {path} cannot be kept, so that later launches will be another run to a collector: {error.Message}");
        }

        return made;
    }
}
