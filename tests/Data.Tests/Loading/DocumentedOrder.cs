using System.Numerics;
using KvShiftScale.Data.Configuration;

namespace KvShiftScale.Data.Tests.Loading;

/// <summary>docs/data-order.md as a program: slow, everything in memory, whole numbers of any size.</summary>
/// <param name="sources">Of each source its row groups, of each row group its documents.</param>
/// <param name="weights">Whole weights of the sources.</param>
internal sealed class DocumentedOrder(int[][][][] sources, int[] weights, DataConfig config, ulong seed)
{
    private const ulong G = 0x9E3779B97F4A7C15;

    private readonly Dictionary<(int, long), int[][]> _epochs = [];

    /// <summary>Samples from the first on: the source, and up to context + 1 tokens of it.</summary>
    public IEnumerable<(int Source, int[] Tokens)> Samples()
    {
        var given = new BigInteger[weights.Length];
        BigInteger period = weights.Sum();
        for (BigInteger t = 1; ; t++)
        {
            // Lags and deadlines multiplied by period * (2n - 2), which leaves whole numbers.
            BigInteger scale = 2 * weights.Length - 2;
            var best = -1;
            for (var i = 0; i < weights.Length; i++)
            {
                if (Lag(i) >= period && (best < 0 || Deadline(i) * weights[best] < Deadline(best) * weights[i]))
                {
                    best = i;
                }
            }

            yield return (best, Row(best, (long)given[best]));
            given[best]++;

            BigInteger Lag(int i) => scale * (weights[i] * t - given[i] * period);
            BigInteger Deadline(int i) => (scale - 1) * period - Lag(i);
        }
    }

    private static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    private static ulong Key(ulong a, ulong b) => Mix(Mix(a + G) ^ (b * G + G));

    private static int[] Permute(int n, ulong key)
    {
        var p = new int[n];
        for (var i = 0; i < n; i++)
        {
            var j = (int)((BigInteger)Mix(key + ((ulong)i + 1) * G) * (i + 1) >> 64);
            p[i] = p[j];
            p[j] = i;
        }

        return p;
    }

    private int[] Row(int source, long number)
    {
        for (long epoch = 0; ; epoch++)
        {
            if (!_epochs.TryGetValue((source, epoch), out var rows))
            {
                _epochs[(source, epoch)] = rows = [.. Rows(source, (ulong)epoch)];
            }

            if (number < rows.Length)
            {
                return rows[number];
            }

            number -= rows.Length;
        }
    }

    // The rows of an epoch: what documents make, window after window, and in each the order of its own.
    private IEnumerable<int[]> Rows(int source, ulong epoch)
    {
        var key = Key(Key(seed, (ulong)source), epoch);
        int[][] windows = [.. Windows(Permute(sources[source].Length, key))];
        int[][][] documents = [.. windows.Select(window => DocumentsOf(sources[source], window, Key(key, (ulong)window[0])))];
        int[][] rows = [.. RowsOf(documents.SelectMany(window => window))];
        if (config.RowOrder == RowOrder.Sequential)
        {
            return rows;
        }

        var ordered = new List<int[]>();
        var (first, tokens) = (0, 0L);
        foreach (var (window, number) in documents.Select((window, number) => (window, number)))
        {
            tokens += window.Sum(document => document.Length);
            var count = config.Packing == Packing.Pad ? RowsOf(window).Count() : Math.Max(0, (int)Math.Max(0, (tokens - 1) / config.Context) - first);
            var order = Enumerable.Range(0, count).Select(i => first + Place(i, count, Key(Key(key, (ulong)windows[number][0]), 1)));
            ordered.AddRange(order.Select(row => rows[row]));
            first += count;
            if (config.Packing == Packing.Concatenate && first < rows.Length && (long)first * config.Context < tokens)
            {
                ordered.Add(rows[first++]);
            }
        }

        return ordered;
    }

    private IEnumerable<int[]> Windows(int[] rowGroups)
    {
        if (config.RowOrder == RowOrder.Sequential)
        {
            return rowGroups.Chunk(config.ShuffleRowGroups);
        }

        var count = (rowGroups.Length + config.ShuffleRowGroups - 1) / config.ShuffleRowGroups;
        return Enumerable.Range(0, count).Select(k => rowGroups[(k * rowGroups.Length / count)..((k + 1) * rowGroups.Length / count)]);
    }

    private static int[][] DocumentsOf(int[][][] rowGroups, int[] window, ulong key)
    {
        int[][] documents = [.. window.SelectMany(group => rowGroups[group])];
        return [.. Permute(documents.Length, key).Select(document => documents[document])];
    }

    private IEnumerable<int[]> RowsOf(IEnumerable<int[]> documents)
    {
        // Padding cuts each document as concatenation cuts all of them, except that the last piece may be shorter.
        int[][] streams = config.Packing == Packing.Pad ? [.. documents] : [[.. documents.SelectMany(document => document)]];
        foreach (var stream in streams)
        {
            for (var start = 0; start < stream.Length - 1; start += config.Context)
            {
                var row = stream[start..Math.Min(start + config.Context + 1, stream.Length)];
                if (config.Packing == Packing.Pad || row.Length == config.Context + 1)
                {
                    yield return row;
                }
            }
        }
    }

    private static int Place(int i, int n, ulong key)
    {
        var bits = 6;
        while (BigInteger.One << bits < n)
        {
            bits++;
        }

        var (a, b) = (bits / 2, bits - bits / 2);
        BigInteger x = i;
        do
        {
            var (left, right) = (x >> b, x & ((BigInteger.One << b) - 1));
            for (var t = 0; t < 8; t += 2)
            {
                left ^= Word(t, right) >> (64 - a);
                right ^= Word(t + 1, left) >> (64 - b);
            }

            x = (left << b) + right;
        }
        while (x >= n);
        return (int)x;

        BigInteger Word(int t, BigInteger half) => Mix(key + ((((ulong)t << 32) + (ulong)half) + 1) * G);
    }
}
