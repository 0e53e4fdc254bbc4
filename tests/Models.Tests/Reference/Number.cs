namespace KvShiftScale.Models.Tests.Reference;

/// <summary>A float64 that remembers on a tape how it came about, or, without a tape, a mere float64.</summary>
internal readonly struct Number(double value, Tape? tape = null, int node = -1)
{
    public double Value { get; } = value;

    public Tape? Tape { get; } = tape;

    public int Node { get; } = node;

    public static implicit operator Number(double value) => new(value);

    public static Number operator +(Number a, Number b) => Result(a.Value + b.Value, a, 1, b, 1);

    public static Number operator -(Number a, Number b) => Result(a.Value - b.Value, a, 1, b, -1);

    public static Number operator *(Number a, Number b) => Result(a.Value * b.Value, a, b.Value, b, a.Value);

    public static Number operator /(Number a, Number b) => Result(a.Value / b.Value, a, 1 / b.Value, b, -a.Value / (b.Value * b.Value));

    public static Number Exp(Number x) => Result(Math.Exp(x.Value), x, Math.Exp(x.Value), 0, 0);

    public static Number Log(Number x) => Result(Math.Log(x.Value), x, 1 / x.Value, 0, 0);

    public static Number Sqrt(Number x) => Result(Math.Sqrt(x.Value), x, 0.5 / Math.Sqrt(x.Value), 0, 0);

    /// <summary>x, or the nearer of 0 and 1 outside of [0, 1], where its slope is 0.</summary>
    public static Number Clip(Number x) => x.Value < 0 ? 0 : x.Value > 1 ? 1 : x;

    /// <summary>Sum of a[i] * b[i].</summary>
    public static Number Dot(ReadOnlySpan<Number> a, ReadOnlySpan<Number> b)
    {
        Tape? tape = null;
        var sum = 0.0;
        for (var i = 0; i < a.Length; i++)
        {
            sum += a[i].Value * b[i].Value;
            tape ??= a[i].Tape ?? b[i].Tape;
        }
        if (tape is null)
        {
            return sum;
        }

        var result = tape.Variable(sum);
        for (var i = 0; i < a.Length; i++)
        {
            tape.From(a[i], b[i].Value);
            tape.From(b[i], a[i].Value);
        }
        return result;
    }

    private static Number Result(double value, Number a, double slopeOfA, Number b, double slopeOfB)
    {
        var tape = a.Tape ?? b.Tape;
        if (tape is null)
        {
            return value;
        }

        var result = tape.Variable(value);
        tape.From(a, slopeOfA);
        tape.From(b, slopeOfB);
        return result;
    }
}
