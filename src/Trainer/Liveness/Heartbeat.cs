using System.Text.Json;
using KvShiftScale.Core.Faults;
using KvShiftScale.Core.Text;

namespace KvShiftScale.Trainer.Liveness;

/// <summary>What a rank tells about itself: once a second with its open collectives, on request with all that its ledger remembers.</summary>
/// <param name="Launch">Which launch wrote it; those of others are not looked at.</param>
/// <param name="Rank">The rank.</param>
/// <param name="Host">Its machine.</param>
/// <param name="ProcessId">Its process there.</param>
/// <param name="Phase">What it does.</param>
/// <param name="Step">In which step.</param>
/// <param name="StillSeconds">Time since its last progress.</param>
/// <param name="IsOverdue">That is longer than its phase may take.</param>
/// <param name="Positions">How far it is in each group.</param>
/// <param name="Collectives">Oldest first; the newest last, whether it has ended or not.</param>
internal sealed record Heartbeat(
    string Launch,
    int Rank,
    string Host,
    int ProcessId,
    string Phase,
    long Step,
    double StillSeconds,
    bool IsOverdue,
    IReadOnlyList<HeartbeatPosition> Positions,
    IReadOnlyList<HeartbeatCollective> Collectives)
{
    /// <summary>Its stage of a pipeline; null where there is one stage.</summary>
    public string? Stage { get; init; }

    /// <summary>Collectives that the rank is inside of.</summary>
    public IEnumerable<HeartbeatCollective> Running => Collectives.Where(collective => collective.State == HeartbeatCollective.RunningState);

    /// <summary>Reads a file that a rank has written; null when there is none, or none of this launch.</summary>
    public static Heartbeat? Read(string path, string launch)
    {
        try
        {
            return JsonSerializer.Deserialize<Heartbeat>(File.ReadAllBytes(path), RecordJson.Line) is { } heartbeat && heartbeat.Launch == launch
                ? heartbeat : null;
        }
        catch (IOException)
        {
            // Not there, or just being replaced on a file system without atomic renames: the next look is soon.
            return null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>Replaces a file. Not forced to the disk: it is for the living.</summary>
    public void Write(string path)
    {
        var beside = path + ".partial";
        InjectedFaults.Reach("liveness.write");
        File.WriteAllBytes(beside, JsonSerializer.SerializeToUtf8Bytes(this, RecordJson.Line));
        File.Move(beside, path, overwrite: true);
    }
}
