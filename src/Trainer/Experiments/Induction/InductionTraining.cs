using System.Diagnostics;
using KvShiftScale.Data.Configuration;
using KvShiftScale.Data.Synthetic;
using KvShiftScale.Models;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Parallel.Regions;
using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.Session;
using KvShiftScale.Trainer.Signals;
using static TorchSharp.torch;

namespace KvShiftScale.Trainer.Experiments.Induction;

/// <summary>
/// Trains one model with the product's own model, step and optimizer, alone in its rank. Everything random in it is a function of the
/// run's seed, so the result is the same whichever rank computes it.
/// </summary>
internal sealed class InductionTraining(StopSignal stop)
{
    private const int TrainingStream = 0;
    private const int EvaluationStream = 1;

    /// <summary>Trains to the end, or until the task is learnt and the next evaluation confirms it.</summary>
    /// <param name="run">What to train.</param>
    /// <param name="progress">Told each evaluation.</param>
    /// <returns>null: stopped by a signal.</returns>
    public InductionResult? Execute(InductionRun run, Action<InductionPoint> progress)
    {
        var started = Stopwatch.GetTimestamp();
        var study = run.Study;
        using var alone = ParallelContext.Single();
        using var session = TrainingSession.Create(Configuration(run), alone);
        var model = session.Model;
        session.Initialize(run.Seed);
        var training = new InductionBatches(study.Task, run.Seed, TrainingStream, study.Batch, study.MicroBatch);
        var evaluation = new InductionBatches(study.Task, run.Seed, EvaluationStream, study.MicroBatch, study.MicroBatch);

        var curve = new List<InductionPoint>();
        Add(0, null);
        for (var number = 1; number <= study.Steps && !IsConfirmed(curve); number++)
        {
            if (stop.IsRequested)
            {
                return null;
            }

            var outcome = session.Step(number, training);
            if (outcome.Verdict.IsSkip)
            {
                throw new NonFiniteGradientException(number, outcome.Loss, outcome.GradientNorm);
            }

            if (number % study.EvaluateEvery == 0 || number == study.Steps)
            {
                Add(number, outcome.Loss);
            }
        }

        return new InductionResult
        {
            Study = study.Name,
            Arm = run.Arm,
            Width = run.Width,
            Seed = run.Seed,
            Parameters = model.Parameters.GlobalElementCount,
            PlannedSteps = study.Steps,
            Curve = curve,
            Scalars = Scalars(model),
            Seconds = Stopwatch.GetElapsedTime(started).TotalSeconds,
            Settings = run.Settings,
        };

        void Add(int number, double? loss)
        {
            var score = Evaluate(model, evaluation, study.EvaluationSequences);
            var point = new InductionPoint(number, loss, score.Accuracy, score.AccuracyOfAll);
            curve.Add(point);
            progress(point);
        }
    }

    private static RunConfig Configuration(InductionRun run) => new()
    {
        Run = new RunSection { Name = run.Study.Name, Steps = run.Study.Steps },
        Model = run.Model,
        Data = new DataConfig { Context = run.Study.Task.Context, GlobalBatch = run.Study.Batch, MicroBatch = run.Study.MicroBatch },
        Optimizer = run.Optimizer,
    };

    private static bool IsConfirmed(List<InductionPoint> curve)
        => curve.Count > 1 && curve[^1].Accuracy >= InductionStudy.Learnt && curve[^2].Accuracy >= InductionStudy.Learnt;

    // Each time sequences that the model has not seen, in training or here.
    private static InductionScore Evaluate(KvShiftTransformer model, InductionBatches batches, int sequences)
    {
        using var mode = no_grad();
        var score = new InductionScore();
        for (var seen = 0; seen < sequences;)
        {
            using var scope = NewDisposeScope();
            using var batch = batches.Next();
            using var inputs = new BatchTensors(batch, model.Parameters.Device, ContextRegion.Whole());
            using var predictions = model.Logits(inputs.Ids, inputs.Layout).argmax(1).cpu().data<long>();
            score.Add(batch.Targets, predictions.ToArray(), batch.Context);
            seen += batch.Rows;
        }
        return score;
    }

    private static Dictionary<string, double[]> Scalars(KvShiftTransformer model)
    {
        using var scope = NewDisposeScope();
        using var mode = no_grad();
        return model.Parameters.Slots.Where(slot => slot.Name.EndsWith("_shift", StringComparison.Ordinal))
            .ToDictionary(slot => slot.Name, slot => slot.Parameter.to(ScalarType.Float64).cpu().data<double>().ToArray());
    }
}
