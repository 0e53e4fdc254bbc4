using System.Globalization;
using KvShiftScale.Core;
using KvShiftScale.Core.Configuration;
using KvShiftScale.Parallel.Optimization;
using KvShiftScale.Trainer.Configuration;

namespace KvShiftScale.Trainer.Training;

/// <summary>
/// Settings that are others than when a checkpoint was saved, and that change what the coming steps learn although the run may go on with
/// them: the schedule of the learning rate, the rest of the optimizer, what counts as a spike, the precision, what it is validated on.
/// </summary>
internal sealed class ChangedSettings
{
    /// <summary>Option that goes on all the same where the learning rate jumps.</summary>
    public const string AcceptOption = "--accept-changed-schedule";

    // The same value by the same formula; what is left is the rounding of one division.
    private const double SameRate = 1e-12;

    private static readonly string[] Schedule =
    [
        "run.steps", "optimizer.lr", "optimizer.warmup_steps", "optimizer.decay", "optimizer.decay_steps", "optimizer.final_lr_fraction",
    ];

    private static readonly string[] Others =
    [
        "run.spike_rule", "run.spike_action", "run.spike_window", "run.spike_z", "precision", "run.kernels", "data.validation", "run.validation_rows",
    ];

    private readonly IReadOnlyList<(string Key, string Then, string Now)> _schedule;
    private readonly IReadOnlyList<(string Key, string Then, string Now)> _others;
    private readonly long _step;
    private readonly double _rateThen;
    private readonly double _rateNow;

    /// <param name="then">The configuration in the checkpoint.</param>
    /// <param name="now">The one of this launch.</param>
    /// <param name="step">Steps done.</param>
    public ChangedSettings(RunConfig then, RunConfig now, long step)
    {
        _step = step + 1;
        var optimizer = ConfigKeys.PropertiesOf(typeof(Parallel.Optimization.OptimizerConfig)).Select(property => $"optimizer.{ConfigKeys.NameOf(property.Name)}");
        _schedule = [.. Differences(then, now, Schedule)];
        _others = [.. Differences(then, now, optimizer.Except(Schedule).Concat(Others))];
        _rateThen = new LearningRateSchedule(then.Optimizer, then.Run.Steps).At(_step);
        _rateNow = new LearningRateSchedule(now.Optimizer, now.Run.Steps).At(_step);
    }

    /// <summary>The learning rate of the next step is another one than the run as it was would have had.</summary>
    public bool BreaksSchedule => Math.Abs(_rateNow - _rateThen) > SameRate * Math.Max(_rateNow, _rateThen);

    /// <summary>Why the run may not go on like this unless it is allowed; null where the learning rate goes on as it was.</summary>
    /// <param name="checkpoint">Where it would go on.</param>
    public ConfigFault? FaultOf(string checkpoint) => !BreaksSchedule ? null : new ConfigFault(
        string.Join(", ", _schedule.Select(change => change.Key)),
        string.Join(", ", _schedule.Select(change => change.Now)),
        $"must go on with the learning rate of {checkpoint}: {Said(_schedule)}, so that {Jump}",
        $"put back {string.Join(", ", _schedule.Select(change => $"{change.Key}: {change.Then}"))}, or go on with the jump by {AcceptOption}"
            + " (a schedule with a plateau, optimizer.decay: wsd or constant, can be made longer without one)");

    /// <summary>What a person should know before the run goes on, each as a sentence; a jump of the learning rate is a warning.</summary>
    public IEnumerable<(string Sentence, bool IsWarning)> Sentences()
    {
        if (BreaksSchedule)
        {
            yield return ($"going on with another schedule of the learning rate: {Said(_schedule)}; {Jump}", true);
        }
        else if (_schedule.Count > 0)
        {
            yield return ($"{Said(_schedule)}; the schedule of the learning rate goes on as it was, with {Rate(_rateNow)} at step {Number(_step)}", false);
        }

        if (_others.Count > 0)
        {
            yield return ($"{Said(_others)}, from step {Number(_step)} on", false);
        }
    }

    private string Jump => $"the learning rate of step {Number(_step)} is {Rate(_rateNow)} where it was to be {Rate(_rateThen)}";

    private static string Said(IEnumerable<(string Key, string Then, string Now)> changes)
        => string.Join(", ", changes.Select(change => $"{change.Key} was {change.Then} and is {change.Now}"));

    private static IEnumerable<(string Key, string Then, string Now)> Differences(RunConfig then, RunConfig now, IEnumerable<string> keys)
        => keys.Select(key => (key, TextOf(then, key), TextOf(now, key))).Where(change => change.Item2 != change.Item3);

    private static string TextOf(RunConfig config, string key)
    {
        object? value = config;
        foreach (var name in key.Split('.'))
        {
            value = ConfigKeys.PropertiesOf(value!.GetType()).Single(property => ConfigKeys.NameOf(property.Name) == name).GetValue(value);
        }

        return value switch
        {
            Enum named => ConfigKeys.NameOf(named.ToString()),
            IEnumerable<Data.Configuration.DataSource> sources => $"[{string.Join(", ", sources.Select(source => (source.Set is { } set ? $"{set}: " : "")
                + (source.Weight == 1 ? source.Glob : FormattableString.Invariant($"{{ glob: {source.Glob}, weight: {source.Weight} }}"))))}]",
            IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
            _ => $"{value}",
        };
    }

    private static string Rate(double rate) => rate.ToString("0.0####e-00", CultureInfo.InvariantCulture);

    private static string Number(long value) => value.ToString(CultureInfo.InvariantCulture);
}
