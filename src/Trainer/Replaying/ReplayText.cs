using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using KvShiftScale.Trainer.BadNumbers;

namespace KvShiftScale.Trainer.Replaying;

/// <summary>A replay for people, and in its last line for scripts.</summary>
internal static class ReplayText
{
    private static readonly JsonSerializerOptions Options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower) },
    };

    /// <summary>The lines.</summary>
    public static IEnumerable<string> Of(StepReplay replay)
    {
        var from = replay.Checkpoint is null ? "the initial weights" : Path.GetFileName(replay.Checkpoint);
        yield return Invariant($"step {replay.Step} again, from {from}, {replay.Step - replay.FirstStep} steps computed");
        if (replay.Before.Count > 0)
        {
            yield return Invariant($"losses of {replay.Before.Count} steps before it: {(replay.Before.Difference == 0 ? "the bits that were logged" : Invariant($"within {replay.Before.Difference:G2} of what was logged"))}");
        }

        yield return Compared("loss", replay.Outcome.Loss, replay.RecordedLoss);
        yield return Compared("gradient norm", replay.Outcome.GradientNorm, replay.RecordedGradNorm);
        yield return $"{"decision",-16}{Decision(replay.Outcome.Verdict)}; the run {(replay.Skipped is null ? "made an update" : $"{(replay.Skipped.Action == "clip" ? "clipped" : "skipped")} it: {Words(replay.Skipped.Why)}")}";
        yield return $"{"gradients",-16}" + (replay.NonFiniteGradients.Count == 0
            ? Invariant($"all {replay.Parameters} finite")
            : Invariant($"{replay.NonFiniteGradients.Count} of {replay.Parameters} not finite; backward meets {replay.NonFiniteGradients[0]} first"));
        var bad = replay.Rows.Where(row => row.FirstNonFinite is not null).ToList();
        yield return $"{"activations",-16}" + (bad.Count == 0
            ? Invariant($"all finite; the largest is {replay.Rows.Max(row => row.LargestActivation.Value):G4}, after {replay.Rows.MaxBy(row => row.LargestActivation.Value)!.LargestActivation.Part}")
            : Invariant($"not finite from {bad[0].FirstNonFinite} on in {bad.Count} of {replay.Rows.Count} rows, first in row {bad[0].Row}; the largest before is {bad[0].LargestActivation.Value:G4}"));
        foreach (var origin in replay.Suspects)
        {
            yield return Invariant($"row {origin.Row}: loss {replay.Rows.First(row => row.Row == origin.Row).Loss:G6}{AboveOthers(replay.Rows, origin.Row)}, epoch {origin.Epoch} of data.train[{origin.Source}]");
            foreach (var document in origin.Documents)
            {
                yield return Invariant($"  {document.File}, row group {document.RowGroup}, document {document.Document}, tokens {document.FirstToken} to {document.FirstToken + document.Tokens - 1}");
            }
        }
        yield return JsonSerializer.Serialize(new
        {
            replay.Step,
            replay.FirstStep,
            replay.Outcome.Loss,
            GradNorm = replay.Outcome.GradientNorm,
            Decision = replay.Outcome.Verdict.Fault,
            replay.RecordedLoss,
            replay.RecordedGradNorm,
            SameBits = replay.HasSameBits,
            Reproduced = replay.IsReproduced,
            FirstNonFiniteGradient = replay.NonFiniteGradients.Count > 0 ? replay.NonFiniteGradients[0] : null,
            bad.FirstOrDefault()?.FirstNonFinite,
            Rows = replay.Suspects.Select(origin => origin.Row),
        }, Options);
    }

    private static string Compared(string name, double found, double? recorded) => recorded is not { } value
        ? Invariant($"{name,-16}{found:R}; the run did not log it")
        : found.Equals(value)
            ? Invariant($"{name,-16}{found:R}; the run recorded the same bits")
            : Invariant($"{name,-16}{found:R}; the run recorded {value:R}{(double.IsFinite(found) && double.IsFinite(value) ? Invariant($", {StepReplay.Difference(value, found):G2} of it away") : "")}");

    private static string Decision(StepVerdict verdict)
        => verdict.Fault == StepFault.None ? "an update" : $"{(verdict.IsSkip ? "skipped" : "clipped")}: {Words(verdict.Fault)}{(verdict.Threshold is { } threshold ? Invariant($" ({threshold:G6})") : "")}";

    private static string Words(StepFault fault) => fault switch
    {
        StepFault.NonFiniteLoss => "the loss is not finite",
        StepFault.NonFiniteGradNorm => "the gradient norm is not finite",
        StepFault.LossSpike => "the loss is above its threshold",
        StepFault.GradNormSpike => "the gradient norm is above its threshold",
        _ => "nothing",
    };

    // How far a row stands out, in standard deviations of the others that are finite.
    private static string AboveOthers(IReadOnlyList<RowReplay> rows, long number)
    {
        var loss = rows.First(row => row.Row == number).Loss;
        var others = rows.Where(row => row.Row != number && double.IsFinite(row.Loss)).Select(row => row.Loss).ToList();
        if (others.Count < 2)
        {
            return "";
        }

        var mean = others.Average();
        if (!double.IsFinite(loss))
        {
            return Invariant($" (the other rows' mean is {mean:G4})");
        }

        var deviation = Math.Sqrt(others.Sum(other => (other - mean) * (other - mean)) / (others.Count - 1));
        return deviation > 0 ? Invariant($" ({(loss - mean) / deviation:+0.0;-0.0} standard deviations from the other rows' mean of {mean:G4})") : "";
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
