using KvShiftScale.Core.Numbers;
using KvShiftScale.Models.Configuration;

namespace KvShiftScale.Models.Initialization;

/// <summary>
/// How the scalars of the shift start. Weights are drawn, whose sum over a window is 1; where the variant's scalars are not the
/// weights themselves, they are those that give them.
/// </summary>
internal static class ShiftInitializer
{
    /// <param name="scalars">[heads, scalars], to be filled.</param>
    /// <param name="heads">Heads.</param>
    /// <param name="variant">What the scalars stand for.</param>
    /// <param name="initialization">Distribution of the weights.</param>
    /// <param name="random">The parameter's own numbers.</param>
    /// <exception cref="ArgumentException">The identity is asked of a sigmoid, which never gives 1.</exception>
    public static void Fill(Span<double> scalars, int heads, KvShiftVariant variant, KvShiftInitialization initialization, NamedRandom random)
    {
        if (variant == KvShiftVariant.Gate && initialization == KvShiftInitialization.Identity)
        {
            throw new ArgumentException("a gate is a sigmoid and cannot start as the identity", nameof(initialization));
        }

        Span<double> weights = stackalloc double[ShiftPlan.Of(variant).Taps];
        for (var head = 0; head < heads; head++)
        {
            Draw(weights, head, initialization, random);
            if (variant == KvShiftVariant.Gate)
            {
                scalars[head] = Logit(weights[1], weights[0]);
            }
            else
            {
                weights.CopyTo(scalars[(head * weights.Length)..]);
            }
        }
    }

    // Of one head; the last weight is that of the current token, the first that of the oldest.
    private static void Draw(Span<double> weights, int head, KvShiftInitialization initialization, NamedRandom random)
    {
        var taps = weights.Length;
        switch (initialization)
        {
            case KvShiftInitialization.Uniform:
                // The current token and those before it are drawn, the oldest is what is left of 1.
                var left = 1.0;
                for (var lag = 0; lag < taps - 1; lag++)
                {
                    weights[taps - 1 - lag] = random.Uniform((long)head * (taps - 1) + lag);
                    left -= weights[taps - 1 - lag];
                }
                weights[0] = left;
                break;
            case KvShiftInitialization.Softmax:
                var sum = 0.0;
                for (var lag = 0; lag < taps; lag++)
                {
                    weights[taps - 1 - lag] = Math.Exp(random.Normal((long)head * taps + lag));
                    sum += weights[taps - 1 - lag];
                }
                foreach (ref var weight in weights)
                {
                    weight /= sum;
                }

                break;
            case KvShiftInitialization.Identity:
                weights.Clear();
                weights[^1] = 1;
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(initialization), initialization, "no initialisation of the shift");
        }
    }

    // x with sigmoid(x) = weight, where other = 1 - weight. A draw of exactly 0 would give minus infinity; 2^-53 is the next one.
    private static double Logit(double weight, double other) => Math.Log(Math.Max(weight, 1.0 / (1L << 53)) / other);
}
