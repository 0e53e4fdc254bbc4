namespace KvShiftScale.Models.Tests.Reference;

/// <summary>
/// What a computation over <see cref="Number"/> did, one node for each result with its inputs and the slope towards each: enough to
/// differentiate it backwards. Scalars only, so that every derivative is one line of calculus.
/// </summary>
internal sealed class Tape
{
    private readonly List<int> _firstInput = [];
    private readonly List<int> _inputs = [];
    private readonly List<double> _slopes = [];

    /// <summary>A number to differentiate by.</summary>
    public Number Variable(double value)
    {
        _firstInput.Add(_inputs.Count);
        return new Number(value, this, _firstInput.Count - 1);
    }

    /// <summary>Adds an input to the result made by the last <see cref="Variable"/>.</summary>
    public void From(Number input, double slope)
    {
        if (input.Tape is null)
        {
            return;
        }

        _inputs.Add(input.Node);
        _slopes.Add(slope);
    }

    /// <summary>The derivative of a number by every node before it.</summary>
    public double[] Gradient(Number of)
    {
        var gradient = new double[_firstInput.Count];
        gradient[of.Node] = 1;
        for (var node = of.Node; node >= 0; node--)
        {
            var end = node + 1 < _firstInput.Count ? _firstInput[node + 1] : _inputs.Count;
            for (var i = _firstInput[node]; i < end; i++)
            {
                gradient[_inputs[i]] += gradient[node] * _slopes[i];
            }
        }
        return gradient;
    }
}
