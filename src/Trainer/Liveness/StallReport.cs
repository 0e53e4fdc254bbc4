using System.Globalization;
using System.Text;

namespace KvShiftScale.Trainer.Liveness;

/// <summary>The text of a report on ranks that do not get on.</summary>
/// <param name="occasion">What made somebody look.</param>
/// <param name="ranks">All ranks that have a heartbeat, with their ledgers where they answered.</param>
/// <param name="folder">Where stacks and report are.</param>
internal sealed class StallReport(string occasion, IReadOnlyList<RankView> ranks, LivenessFolder folder)
{
    private const int ShownCollectives = 16;

    /// <summary>What happened and who is late: a few lines.</summary>
    public string Summary()
    {
        var text = new StringBuilder(occasion);
        var late = StallAnalysis.LateOf(ranks);
        foreach (var (view, reason) in late)
        {
            text.Append('\n').Append(Describe(view)).Append(" is late: ").Append(reason).Append(Last(view));
        }

        if (late.Count == 0)
        {
            var collective = ranks.SelectMany(rank => rank.Heartbeat.Running).FirstOrDefault();
            text.Append('\n').Append(collective is null
                ? "No rank waits for another."
                : $"No rank is late: all have come to {collective}, and MPI or the network does not get on.");
        }
        return text.ToString();
    }

    /// <summary>All that is known.</summary>
    public string Whole()
    {
        var text = new StringBuilder(Summary());
        text.Append("\n\nRanks:\n").Append(Table());
        text.Append("\nCollectives that each rank remembers, newest last:\n");
        foreach (var rank in ranks)
        {
            text.Append(CultureInfo.InvariantCulture, $"rank {rank.Rank}\n");
            foreach (var collective in rank.Heartbeat.Collectives.TakeLast(ShownCollectives))
            {
                text.Append(CultureInfo.InvariantCulture, $"    {collective.State,-8} {collective.Seconds,8:F1} s ago  {collective}\n");
            }
        }
        text.Append("\nManaged stacks:\n");
        foreach (var rank in ranks)
        {
            var stacks = folder.StacksOf(rank.Rank);
            text.Append(CultureInfo.InvariantCulture, $"rank {rank.Rank}: {(File.Exists(stacks) ? stacks : "could not be read")}\n");
        }
        return text.ToString();
    }

    private static string Describe(RankView view)
        => string.Create(CultureInfo.InvariantCulture,
            $"rank {view.Rank} on {view.Heartbeat.Host} (process {view.Heartbeat.ProcessId}){(view.Heartbeat.Stage is { } stage ? $", {stage}" : "")}, phase {Phase(view)}, step {view.Heartbeat.Step},");

    private static string Last(RankView view)
        => view.Heartbeat.Collectives.LastOrDefault() is { } last && !view.Heartbeat.Running.Any() ? $". Its last collective was {last}." : ".";

    private static string Phase(RankView view) => view.Heartbeat.Phase;

    private string Table()
    {
        var rows = new List<string[]> { new[] { "rank", "host", "process", "phase", "step", "still for", "heartbeat", "in" } };
        rows.AddRange(ranks.Select(rank => new[]
        {
            Format($"{rank.Rank}"), rank.Heartbeat.Host, Format($"{rank.Heartbeat.ProcessId}"), Phase(rank), Format($"{rank.Heartbeat.Step}"),
            Format($"{rank.Heartbeat.StillSeconds + (rank.IsSilent ? rank.SilentSeconds : 0):F1} s"), rank.IsSilent
                ? Format($"stopped {rank.SilentSeconds:F0} s ago") : "alive",
            rank.Heartbeat.Running.FirstOrDefault()?.ToString() ?? "no collective",
        }));
        var widths = Enumerable.Range(0, rows[0].Length - 1).Select(column => rows.Max(row => row[column].Length)).ToArray();
        var text = new StringBuilder();
        foreach (var row in rows)
        {
            for (var column = 0; column < widths.Length; column++)
            {
                text.Append(row[column].PadRight(widths[column] + 2));
            }

            text.Append(row[^1]).Append('\n');
        }
        return text.ToString();
    }

    private static string Format(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
