using System.Diagnostics;
using System.Globalization;
using KvShiftScale.Core.Files;
using Microsoft.Win32.SafeHandles;

namespace KvShiftScale.Trainer.Launch;

/// <summary>
/// One launch at a time works in a run's folder: its first rank holds a lock there for its whole life. The system frees the lock with the
/// process, however that ends; a file without a holder, as a kill leaves it, means nothing.
/// </summary>
/// <param name="run">Folder of the run.</param>
/// <param name="patience">How long a launch that finds the lock held waits for it. Nothing given: as long as ranks may outlive their launcher.</param>
internal sealed class RunLock(string run, TimeSpan? patience = null) : IDisposable
{
    /// <summary>Name in the run's folder.</summary>
    public const string FileName = "launch.lock";

    /// <summary>
    /// For a launch that a script starts where another has crashed, with nobody there to start it once more: a killed process leaves when the
    /// disk has answered it, and a file server keeps the locks of a host that is gone for a minute or two.
    /// </summary>
    public static readonly TimeSpan RestartPatience = TimeSpan.FromMinutes(3);

    private const int MostBytes = 512;

    // A rank whose launcher was killed finds that out within a second and may take some for its last words.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    private readonly string _path = PathIn(run);
    private readonly TimeSpan _patience = patience ?? Patience;
    private SafeFileHandle? _file;

    /// <summary>The file of a run.</summary>
    public static string PathIn(string run) => Path.Combine(run, FileName);

    /// <summary>Takes the lock, and makes the folder where it is not there yet; waits for a launch that is just ending, and says so.</summary>
    /// <returns>Why the folder cannot be had; null when it is taken.</returns>
    /// <exception cref="IOException">The folder cannot be made, or the file not opened.</exception>
    public string? TryTake()
    {
        var begun = Stopwatch.StartNew();
        for (var isTold = false; ;)
        {
            if (Try())
            {
                return null;
            }

            var holder = LinuxFile.ReadText(_path, MostBytes).Trim() is { Length: > 0 } words ? words : "a process that has not said which";
            if (begun.Elapsed >= _patience)
            {
                return $"found {run} in use by {holder} ({FileName}); wanted a run that no other launch works on; wait until that launch has ended, "
                    + "or stop it, or choose another run.name";
            }
            if (!isTold)
            {
                isTold = true;
                Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture,
                    $"kvshift: {run} is in use by {holder}; waiting up to {_patience.TotalSeconds:0.#} s for it to end"));
            }
            Thread.Sleep(Pause);
        }
    }

    /// <summary>Frees the lock and takes the file away, and the run's folder where nothing else is in it.</summary>
    public void Dispose()
    {
        if (_file is null)
        {
            return;
        }
        // Somebody who waits finds a file that has lost its name, and makes a new one.
        if (LinuxFile.IsNamed(_file, FileName))
        {
            Remove(run);
        }

        _file.Dispose();
        _file = null;
    }

    /// <summary>Takes the file away, for a launch that holds it and ends, and the run's folder where nothing else is in it.</summary>
    public static void Remove(string run)
    {
        try
        {
            File.Delete(PathIn(run));
            Directory.Delete(run);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // Other files are there, or the folder became read-only. Without a holder the file means nothing.
        }
    }

    private bool Try()
    {
        SafeFileHandle? file = null;
        try
        {
            Directory.CreateDirectory(run);
            file = LinuxFile.OpenOrCreate(_path);
            var isLocked = LinuxFile.TryLock(file);
            if (isLocked == false)
            {
                return false;
            }
            // The launch before has taken the file away meanwhile: its lock is of no use.
            if (!LinuxFile.IsNamed(file, FileName))
            {
                return false;
            }

            if (isLocked is null)
            {
                Console.Error.WriteLine($"kvshift: warning: the file system of {run} has no locks; nothing keeps a second launch of the run from working in it");
            }
            Tell(file);
            (_file, file) = (file, null);
            return true;
        }
        catch (DirectoryNotFoundException)
        {
            // The launch before has just taken the folder away.
            return false;
        }
        finally
        {
            file?.Dispose();
        }
    }

    private static void Tell(SafeFileHandle file)
    {
        try
        {
            RandomAccess.SetLength(file, 0);
            RandomAccess.Write(file, System.Text.Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture,
                $"process {Environment.ProcessId} on {Environment.MachineName} since {DateTimeOffset.Now:yyyy-MM-dd HH:mm:ss zzz}\n")), 0);
        }
        catch (IOException)
        {
            // A full disk: the lock holds without words.
        }
    }
}
