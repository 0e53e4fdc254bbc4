using KvShiftScale.Data.Loading;

namespace KvShiftScale.Trainer.Experiments.Induction;

/// <summary>Counts right answers.</summary>
internal sealed class InductionScore
{
    private long _sequences;
    private long _firstRight;
    private long _answers;
    private long _right;

    /// <summary>Sequences counted, without those that ask for nothing.</summary>
    public long Sequences => _sequences;

    /// <summary>Share of sequences whose first answer is right.</summary>
    public double Accuracy => (double)_firstRight / Math.Max(1, _sequences);

    /// <summary>Share of all answers that are right.</summary>
    public double AccuracyOfAll => (double)_right / Math.Max(1, _answers);

    /// <summary>Adds rows of <paramref name="context"/> tokens: targets, and the ids that the model found most likely.</summary>
    public void Add(ReadOnlySpan<int> targets, ReadOnlySpan<long> predictions, int context)
    {
        for (var row = 0; row < targets.Length; row += context)
        {
            var isFirst = true;
            for (var i = row; i < row + context; i++)
            {
                if (targets[i] == TokenBatch.IgnoredTarget)
                {
                    continue;
                }

                var right = predictions[i] == targets[i] ? 1 : 0;
                _answers++;
                _right += right;
                if (!isFirst)
                {
                    continue;
                }

                isFirst = false;
                _sequences++;
                _firstRight += right;
            }
        }
    }
}
