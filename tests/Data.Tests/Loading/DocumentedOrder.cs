using System.Numerics;
using KvShiftScale.Data.Loading;

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
                _epochs[(source, epoch)] = rows = [.. Rows(Documents(source, (ulong)epoch))];
            }

            if (number < rows.Length)
            {
                return rows[number];
            }

            number -= rows.Length;
        }
    }

    private IEnumerable<int[]> Documents(int source, ulong epoch)
    {
        var key = Key(Key(seed, (ulong)source), epoch);
        foreach (var window in Permute(sources[source].Length, key).Chunk(config.ShuffleRowGroups))
        {
            int[][] documents = [.. window.SelectMany(group => sources[source][group])];
            foreach (var document in Permute(documents.Length, Key(key, (ulong)window[0])))
            {
                yield return documents[document];
            }
        }
    }

    private IEnumerable<int[]> Rows(IEnumerable<int[]> documents)
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
}
