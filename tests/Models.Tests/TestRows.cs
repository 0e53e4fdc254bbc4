using KvShiftScale.Models.Layout;
using static TorchSharp.torch;

namespace KvShiftScale.Models.Tests;

/// <summary>Rows of equal length that a model is tried on.</summary>
internal sealed record TestRows(int[][] Ids, int[][] Targets, int[][] Positions)
{
    /// <summary>Two rows, one document each.</summary>
    public static readonly TestRows Whole = new(
        [[0, 1, 2, 3, 4, 5, 6, 7, 8], [9, 3, 10, 3, 11, 3, 9, 12, 9]],
        [[1, 2, 3, 4, 5, 6, 7, 8, -100], [3, 10, 3, 11, 3, 9, 12, 9, 0]],
        [[0, 1, 2, 3, 4, 5, 6, 7, 8], [0, 1, 2, 3, 4, 5, 6, 7, 8]]);

    /// <summary>
    /// Rows of documents of 5, 1 and 3 tokens and of 2 and 7, whose last tokens have no target. The first row's ids 0 to 8 occur once
    /// each: their embeddings are what single positions are differentiated by.
    /// </summary>
    public static readonly TestRows Packed = new(
        [[0, 1, 2, 3, 4, 5, 6, 7, 8], [9, 10, 9, 11, 12, 9, 10, 11, 12]],
        [[1, 2, 3, 4, -100, -100, 7, 8, -100], [10, -100, 11, 12, 9, 10, 11, 12, -100]],
        [[0, 1, 2, 3, 4, 0, 0, 1, 2], [0, 1, 0, 1, 2, 3, 4, 5, 6]]);

    public Tensor IdTensor() => tensor(Ids.SelectMany(row => row).ToArray());

    public Tensor TargetTensor() => tensor(Targets.SelectMany(row => row).ToArray());

    public TokenLayout Layout() => new(Ids.Length, Ids[0].Length, tensor(Positions.SelectMany(row => row).ToArray()));

    /// <summary>One row of one document.</summary>
    public static TestRows Document(int[] ids) => new([ids], [[.. ids.Select(_ => -100)]], [[.. Enumerable.Range(0, ids.Length)]]);
}
