namespace TorchSharp;

/// <summary>A number handed to an operation: integral or floating point.</summary>
public sealed class Scalar : IDisposable
{
    private Scalar(long value) => Integral = value;

    private Scalar(double value)
    {
        Floating = value;
        Kind = 1;
    }

    internal int Kind { get; }
    internal long Integral { get; }
    internal double Floating { get; }

    public static implicit operator Scalar(int value) => new((long)value);
    public static implicit operator Scalar(long value) => new(value);
    public static implicit operator Scalar(float value) => new((double)value);
    public static implicit operator Scalar(double value) => new(value);

    public void Dispose()
    {
        // Holds nothing native; the real package's scalar does.
    }
}
