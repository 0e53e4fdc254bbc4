using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;

namespace KvShiftScale.CrashProgram;

/// <summary>What an undisturbed launch of a crash run does, so that a fault can be drawn from what really happens.</summary>
internal sealed partial class LaunchMeasure
{
    /// <summary>Places of a save and of the files around it at which a rank can be killed.</summary>
    public static readonly string[] Points = ["file.write", "file.flush", "file.rename", "file.delete"];

    private readonly Dictionary<(int Rank, string Point), int> _visits = [];

    public LaunchMeasure(Workshop workshop, RunLayout layout)
    {
        var folder = workshop.NewFolder($"measure-{layout.Ranks}-{layout.Tensor}-{layout.Pipeline}");
        var started = Stopwatch.GetTimestamp();
        using var launch = RunningLaunch.Start(Workshop.Command(workshop.CrashConfig, folder, layout), folder,
            string.Join(';', Points.Select(point => $"count@{point}")));
        if (launch.Wait() is not 0 and var code)
        {
            throw new TrialFault($"the undisturbed run on {layout} ended with {code}:\n{launch.Output}");
        }

        Milliseconds = (int)Stopwatch.GetElapsedTime(started).TotalMilliseconds;
        foreach (Match line in Visits().Matches(launch.Output))
        {
            _visits[(int.Parse(line.Groups["rank"].ValueSpan, CultureInfo.InvariantCulture), line.Groups["point"].Value)] =
                int.Parse(line.Groups["count"].ValueSpan, CultureInfo.InvariantCulture);
        }
        var traces = new RunTraces(Path.Combine(folder, "r"));
        Outcome = (traces.Bits(Workshop.CrashSteps), traces.Curve());
    }

    /// <summary>From the start of the processes to their end.</summary>
    public int Milliseconds { get; }

    /// <summary>Bits and curve of the run.</summary>
    public (string Bits, string Curve) Outcome { get; }

    /// <summary>How often a rank comes to a point in the whole run; 0 where it never does.</summary>
    public int VisitsOf(int rank, string point) => _visits.GetValueOrDefault((rank, point));

    [GeneratedRegex("rank (?<rank>[0-9]+) has come to (?<point>[a-z.]+) (?<count>[0-9]+) times")]
    private static partial Regex Visits();
}
