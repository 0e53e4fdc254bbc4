using System.Runtime.InteropServices;

namespace KvShiftScale.Checkpoints.Saving;

/// <summary>Work beside training, on a thread that ends with it.</summary>
internal static partial class BackgroundThread
{
    // Of Linux: the calling thread alone, and how far it steps back. A thread of training has ten times the weight of one with this.
    private const int OwnThread = 0;
    private const int Niceness = 10;

    /// <summary>Starts work. Whatever it throws is the task's.</summary>
    /// <param name="work">The work. It must start nothing on the thread pool, whose new threads would take over its priority.</param>
    /// <param name="yields">
    /// Let threads that train go first. Barriers between these spin, so that one that has lost its core to something else costs all of them.
    /// </param>
    public static Task<T> Start<T>(Func<T> work, bool yields) => Task.Factory.StartNew(() =>
    {
        // Where the system refuses, the work is done at the usual priority.
        if (yields && OperatingSystem.IsLinux())
        {
            _ = SetPriority(OwnThread, 0, Niceness);
        }

        return work();
    }, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    [LibraryImport("libc", EntryPoint = "setpriority")]
    private static partial int SetPriority(int which, int who, int niceness);
}
