using System.Diagnostics;
using System.Text.Json;
using KvShiftScale.Checkpoints.Manifests;
using KvShiftScale.Core.Faults;
using KvShiftScale.Core.Files;

namespace KvShiftScale.Checkpoints.Folders;

/// <summary>
/// What one rank has written of a checkpoint. It lies in the draft as a small file, which the rank writes after everything else of its
/// own and the first rank reads before it commits. So nothing of it goes through MPI, and it may be written and read beside training.
/// </summary>
/// <param name="File">The rank's file; null where it had nothing to write.</param>
/// <param name="Tensors">Tensors of which the file holds slices.</param>
internal sealed record CheckpointPart(CheckpointFile? File, IReadOnlyList<CheckpointTensor> Tensors)
{
    // Between two looks at a folder that another machine writes to.
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan LongestPause = TimeSpan.FromMilliseconds(500);

    /// <summary>Leaves a rank's part in a draft, forced to the disk together with the entries of the folder.</summary>
    public void Leave(string draft, int rank)
    {
        // A rank that believes to have written what nobody will see: a network file system that loses a file.
        if (InjectedFaults.Strikes("lose", "checkpoint.part", rank))
        {
            return;
        }

        DurableFile.Replace(PathOf(draft, rank), (File is null ? "" : JsonSerializer.Serialize(File)) + "\n" + ManifestJson.WriteTensors(Tensors));
    }

    /// <summary>
    /// Waits for the parts of all ranks, which have left them, and for their files to be as long as they say: on a network file system
    /// both may become visible here some time after they were written. Takes the parts out of the draft.
    /// </summary>
    /// <param name="draft">Folder of the checkpoint that is written.</param>
    /// <param name="ranks">Number of ranks.</param>
    /// <param name="patience">How long to wait for what is not there.</param>
    /// <param name="stop">Ends the waiting.</param>
    /// <exception cref="IOException">Something has not become visible; the message names the rank and the path.</exception>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    public static IReadOnlyList<CheckpointPart> TakeAll(string draft, int ranks, TimeSpan patience, CancellationToken stop)
    {
        var started = Stopwatch.GetTimestamp();
        var parts = new CheckpointPart[ranks];
        for (var rank = 0; rank < ranks; rank++)
        {
            var path = PathOf(draft, rank);
            Await(rank, path, () => System.IO.File.Exists(path));
            var part = parts[rank] = Read(path);
            if (part.File is not { } file)
            {
                continue;
            }

            var content = new FileInfo(Path.Combine(draft, file.Name));
            Await(rank, content.FullName, () =>
            {
                content.Refresh();
                return content.Exists && content.Length == file.ByteCount;
            });
        }
        for (var rank = 0; rank < ranks; rank++)
        {
            InjectedFaults.Reach("file.delete");
            System.IO.File.Delete(PathOf(draft, rank));
        }
        return parts;

        void Await(int rank, string path, Func<bool> isVisible)
        {
            for (var pause = FirstPause; !isVisible(); pause = pause * 2 < LongestPause ? pause * 2 : LongestPause)
            {
                if (!Directory.Exists(draft))
                {
                    throw new DirectoryNotFoundException($"{draft} is gone: somebody has deleted or renamed it while it was written");
                }

                if (Stopwatch.GetElapsedTime(started) > patience)
                {
                    throw new IOException(FormattableString.Invariant(
                        $"{path}, which rank {rank} has written, is not to be seen in full after {patience.TotalSeconds:0.#} s (run.visibility_seconds). All ranks must write to one file system; look for the file on the machine of rank {rank}"));
                }
                if (stop.WaitHandle.WaitOne(pause))
                {
                    stop.ThrowIfCancellationRequested();
                }
                // Looking through the folder asks a network file system's server, where a look at a path may be answered from memory.
                if (Directory.Exists(draft))
                {
                    _ = Directory.EnumerateFileSystemEntries(draft).Count();
                }
            }
        }
    }

    private static CheckpointPart Read(string path)
    {
        var text = System.IO.File.ReadAllText(path);
        var end = text.IndexOf('\n');
        if (end < 0)
        {
            throw new InvalidDataException($"{path} is not what a rank has written there");
        }

        return new CheckpointPart(end == 0 ? null : JsonSerializer.Deserialize<CheckpointFile>(text.AsSpan(0, end)),
            ManifestJson.ReadTensors(text[(end + 1)..]));
    }

    private static string PathOf(string draft, int rank) => Path.Combine(draft, FormattableString.Invariant($"rank-{rank:D5}.part"));
}
