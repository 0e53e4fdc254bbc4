using System.Runtime.ExceptionServices;

namespace KvShiftScale.Core.Files;

/// <summary>
/// Several threads that share numbered pieces of work with files. They are threads of their own, with the priority of the one that
/// calls, and end with the work: those of the thread pool would keep a low priority for whatever comes after.
/// </summary>
public static class Crew
{
    /// <summary>Does every piece once, in no order, on the calling thread and <paramref name="threads"/> - 1 others.</summary>
    /// <param name="threads">Threads in all.</param>
    /// <param name="count">Pieces.</param>
    /// <param name="work">Told the number of a piece, from 0 on.</param>
    /// <param name="stop">Ends the work between two pieces.</param>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    /// <exception cref="Exception">The first that a piece has thrown, when all threads have come to an end.</exception>
    public static void Share(int threads, long count, Action<long> work, CancellationToken stop = default)
    {
        var next = -1L;
        ExceptionDispatchInfo? failure = null;
        var others = new Thread[Math.Max(0, (int)Math.Min(threads, count) - 1)];
        for (var i = 0; i < others.Length; i++)
        {
            others[i] = new Thread(TakePieces) { IsBackground = true };
            others[i].Start();
        }
        TakePieces();
        foreach (var other in others)
        {
            other.Join();
        }

        failure?.Throw();

        void TakePieces()
        {
            try
            {
                for (var piece = Interlocked.Increment(ref next); piece < count && failure is null; piece = Interlocked.Increment(ref next))
                {
                    stop.ThrowIfCancellationRequested();
                    work(piece);
                }
            }
            // Whatever it is, it is thrown again where the work was asked for.
            catch (Exception error)
            {
                Interlocked.CompareExchange(ref failure, ExceptionDispatchInfo.Capture(error), null);
            }
        }
    }
}
