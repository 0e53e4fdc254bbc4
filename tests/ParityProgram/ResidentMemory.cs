using System.Globalization;

namespace KvShiftScale.ParityProgram;

/// <summary>Bytes of this process that are in memory, as Linux counts them.</summary>
internal static class ResidentMemory
{
    /// <summary>Now: counted page by page, where VmRSS is a sum of counters that each processor adds to from time to time.</summary>
    public static long Now => Read("/proc/self/smaps_rollup", "Rss:");

    /// <summary>The most there were.</summary>
    public static long Most => Read("/proc/self/status", "VmHWM:");

    // "Rss:     1234 kB"
    private static long Read(string file, string key)
    {
        var line = File.ReadLines(file).First(line => line.StartsWith(key, StringComparison.Ordinal));
        return long.Parse(line[key.Length..^2].Trim(), CultureInfo.InvariantCulture) << 10;
    }
}
