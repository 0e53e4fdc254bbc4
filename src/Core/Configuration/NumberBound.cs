using System.Globalization;
using KvShiftScale.Core.Text;
using static KvShiftScale.Core.Configuration.ConfigFaultList;

namespace KvShiftScale.Core.Configuration;

/// <summary>What a number of a configuration or of an option may be.</summary>
/// <param name="Remedy">What to write instead of one that is out of bounds.</param>
public abstract record NumberBound(string Remedy)
{
    /// <summary>What such a number is, with both bounds, to follow "must be" and "wanted".</summary>
    public abstract string Kind { get; }

    /// <summary>The bound that the number does not keep, to follow "must" and "wanted"; null where it keeps both.</summary>
    /// <param name="value">A number of the bound's own kind.</param>
    public abstract string? BrokenBy(object value);

    /// <summary>Reads the text of such a number; null where it is none.</summary>
    public abstract object? Read(string text);

    /// <summary>Whole numbers.</summary>
    public sealed record Whole(long Least, long Most, string Remedy) : NumberBound(Remedy)
    {
        public override string Kind => Format($"a whole number from {Least} to {Most}");

        public override string? BrokenBy(object value) => Convert.ToInt64(value, CultureInfo.InvariantCulture) switch
        {
            var number when number < Least => Least == 0 ? "not be negative" : Format($"be at least {Least}"),
            var number when number > Most => Format($"be at most {Most}"),
            _ => null,
        };

        public override object? Read(string text) => NumberText.TryWhole(text, out var value) ? value : null;
    }

    /// <summary>Real numbers.</summary>
    /// <param name="IsOpenBelow">The least is not one of them.</param>
    /// <param name="IsOpenAbove">The most is not one of them.</param>
    public sealed record Real(double Least, double Most, string Remedy, bool IsOpenBelow = false, bool IsOpenAbove = false) : NumberBound(Remedy)
    {
        public override string Kind
            => Format($"a finite number {(IsOpenBelow ? "greater than" : "from")} {Least} {(IsOpenAbove ? "and less than" : IsOpenBelow ? "and at most" : "to")} {Most}");

        public override string? BrokenBy(object value) => (double)value switch
        {
            // Not a number is below nothing and above nothing.
            var number when !(IsOpenBelow ? number > Least : number >= Least)
                => IsOpenBelow ? Format($"be greater than {Least}") : Least == 0 ? "not be negative" : Format($"be at least {Least}"),
            var number when !(IsOpenAbove ? number < Most : number <= Most) => IsOpenAbove ? Format($"be less than {Most}") : Format($"be at most {Most}"),
            _ => null,
        };

        public override object? Read(string text) => NumberText.TryReal(text, out var value) ? value : null;
    }
}
