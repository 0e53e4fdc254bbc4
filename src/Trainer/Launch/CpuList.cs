using System.Globalization;

namespace KvShiftScale.Trainer.Launch;

/// <summary>Numbers of processors in Linux's form: 0-3,8.</summary>
internal static class CpuList
{
    /// <summary>The numbers; none where the text has another form.</summary>
    public static HashSet<int> Parse(string text)
    {
        var numbers = new HashSet<int>();
        foreach (var part in text.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            var dash = part.IndexOf('-', StringComparison.Ordinal);
            if (!IsNumber(dash < 0 ? part : part[..dash], out var first) || !IsNumber(dash < 0 ? part : part[(dash + 1)..], out var last))
            {
                return [];
            }

            for (var number = first; number <= last; number++)
            {
                numbers.Add(number);
            }
        }
        return numbers;
    }

    // Linux has at most 8192 processors; nothing is filled from a number that cannot be one.
    private static bool IsNumber(string text, out int number)
        => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number) && number < 1 << 16;
}
