namespace KvShiftScale.Trainer.RunFolders;

/// <summary>
/// Which launch a signal has stopped: a file of one line in the run's folder. srun kills the ranks that are left as soon as one has gone with a code other
/// than 0 and may then tell of that death instead of the code, so that launch/train.slurm cannot know a stop by it.
/// </summary>
internal static class StopMark
{
    /// <summary>The file's name.</summary>
    public const string FileName = "stopped-launch";

    /// <summary>Leaves the mark, if the launch has a name.</summary>
    /// <param name="folder">The run's folder.</param>
    /// <param name="launch">The launch that ends, as the script calls it that started it; null: none did.</param>
    /// <param name="warn">Told why there is no mark, where the folder takes none.</param>
    public static void Leave(string folder, string? launch, Action<string> warn)
    {
        if (launch is null)
        {
            return;
        }

        try
        {
            Directory.CreateDirectory(folder);
            File.WriteAllText(Path.Combine(folder, FileName), launch + "\n");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // The run is saved and its exit code says the same.
            warn($"cannot note in {folder} that launch {launch} was stopped: {exception.Message}");
        }
    }

    /// <summary>The mark of this launch is there.</summary>
    public static bool IsOf(string folder, string launch)
    {
        var path = Path.Combine(folder, FileName);
        return File.Exists(path) && File.ReadAllText(path).TrimEnd('\n') == launch;
    }
}
