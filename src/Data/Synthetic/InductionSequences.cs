using KvShiftScale.Core.Numbers;
using KvShiftScale.Data.Loading;

namespace KvShiftScale.Data.Synthetic;

/// <summary>Writes sequences of an <see cref="InductionTask"/>; each depends on its key alone. For one thread.</summary>
internal sealed class InductionSequences
{
    private const int Unknown = -1;

    private readonly InductionTask _task;
    private readonly int[] _candidates;

    // By id: what followed its most recent occurrence.
    private readonly int[] _successors;
    private ulong _key;
    private ulong _draws;

    public InductionSequences(InductionTask task)
    {
        task.Validate();
        _task = task;
        _candidates = new int[task.VocabularySize];
        _successors = new int[task.VocabularySize];
    }

    /// <summary>Fills one row; targets are <see cref="TokenBatch.IgnoredTarget"/> wherever nothing is asked.</summary>
    /// <returns>Number of targets that are asked for.</returns>
    public int Fill(ulong key, Span<int> inputs, Span<int> targets)
    {
        (_key, _draws) = (key, 0);
        targets.Fill(TokenBatch.IgnoredTarget);
        ChooseCandidates();
        return _task.Generator == InductionGenerator.SingleRepeat ? FillSingleRepeat(inputs, targets) : FillSuccessors(inputs, targets);
    }

    private int FillSingleRepeat(Span<int> inputs, Span<int> targets)
    {
        // The candidates are in random order already.
        var count = _task.Candidates;
        _candidates.AsSpan(0, count).CopyTo(inputs);
        var repeated = Below(count - 1);
        inputs[count] = _candidates[repeated];
        targets[count] = _candidates[repeated + 1];
        return 1;
    }

    private int FillSuccessors(Span<int> inputs, Span<int> targets)
    {
        Array.Fill(_successors, Unknown);
        var (length, last, asked) = (0, Unknown, 0);
        while (length < inputs.Length)
        {
            var id = _candidates[Below(_task.Candidates)];
            if (id == last)
            {
                continue;
            }

            Append(id, inputs);
            var answer = _successors[id];
            if (answer == Unknown)
            {
                continue;
            }

            targets[length - 1] = answer;
            asked++;
            // The answer to the last token lies beyond the row: it is a target only.
            if (length < inputs.Length)
            {
                Append(answer, inputs);
            }
        }
        return asked;

        void Append(int id, Span<int> row)
        {
            row[length++] = id;
            if (last != Unknown)
            {
                _successors[last] = id;
            }

            last = id;
        }
    }

    // The first steps of a shuffle of all ids, begun from the same order each time.
    private void ChooseCandidates()
    {
        for (var id = 0; id < _candidates.Length; id++)
        {
            _candidates[id] = id;
        }

        for (var i = 0; i < _task.Candidates; i++)
        {
            var j = i + Below(_candidates.Length - i);
            (_candidates[i], _candidates[j]) = (_candidates[j], _candidates[i]);
        }
    }

    // The high half of a product: its bias, count / 2^64, is beyond notice.
    private int Below(int count) => (int)Math.BigMul(CounterRandom.At(_key, _draws++), (ulong)count, out _);
}
