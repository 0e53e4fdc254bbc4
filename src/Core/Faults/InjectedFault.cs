using System.Globalization;
using System.Text.RegularExpressions;

namespace KvShiftScale.Core.Faults;

/// <summary>One fault to commit: what, where, at which time of coming there, and on which rank.</summary>
/// <param name="Action">
/// What happens: kill, stall, hold (a stall that says so), linger (a second), slow (seven seconds), term, save (SIGUSR1), throw, count (the visits are told at the end), or a name that
/// the place itself gives a meaning.
/// </param>
/// <param name="Point">Name of the place.</param>
/// <param name="Number">The number of the visit, from 1, or the step where the place counts steps; null: every time.</param>
/// <param name="Rank">The rank that it befalls; null: every rank.</param>
public sealed partial record InjectedFault(string Action, string Point, long? Number, int? Rank)
{
    /// <summary>Reads <c>ACTION@POINT[:NUMBER][,rank=RANK]</c>.</summary>
    /// <exception cref="UsageException">The text has another form.</exception>
    public static InjectedFault Parse(string text)
    {
        var match = Form().Match(text);
        if (!match.Success)
        {
            throw new UsageException($"found the fault '{text}' in {InjectedFaults.Variable}; wanted ACTION@POINT[:NUMBER][,rank=RANK], several of them "
                + "with ; between them; unset it to train without faults");
        }

        return new InjectedFault(match.Groups["action"].Value, match.Groups["point"].Value,
            match.Groups["number"] is { Success: true, Value: var number } ? long.Parse(number, CultureInfo.InvariantCulture) : null,
            match.Groups["rank"] is { Success: true, Value: var rank } ? int.Parse(rank, CultureInfo.InvariantCulture) : null);
    }

    [GeneratedRegex("^(?<action>[a-z-]+)@(?<point>[a-z.-]+)(:(?<number>[0-9]{1,18}))?(,rank=(?<rank>[0-9]{1,6}))?$")]
    private static partial Regex Form();
}
