using static TorchSharp.torch;

namespace KvShiftScale.Parallel.Kernels;

/// <summary>
/// Rows of tokens and the documents in them: positions count from 0 at the first token of each document, so that the document of token t
/// begins at t - positions[t]. Where ranks share rows, queries are those of this rank's parts.
/// </summary>
public class PackedRows : IDisposable
{
    /// <param name="batch">Rows.</param>
    /// <param name="tokens">Tokens in a row.</param>
    /// <param name="positions">int32 [batch * tokens] in host memory; owned from now on.</param>
    /// <param name="ownParts">The parts of each row that are this rank's own, in order.</param>
    public PackedRows(int batch, int tokens, Tensor positions, IReadOnlyList<(int Begin, int Count)> ownParts)
    {
        if (positions.numel() != (long)batch * tokens)
        {
            throw new ArgumentException($"{positions.numel()} positions for {batch} rows of {tokens} tokens", nameof(positions));
        }

        Batch = batch;
        Tokens = tokens;
        Positions = positions;
        OwnParts = ownParts;
        OwnTokens = ownParts.Sum(part => part.Count);
    }

    /// <summary>Rows.</summary>
    public int Batch { get; }

    /// <summary>Tokens in a row.</summary>
    public int Tokens { get; }

    /// <summary>int32 [batch * tokens], in host memory.</summary>
    public Tensor Positions { get; }

    /// <summary>The parts of each row that are this rank's own.</summary>
    public IReadOnlyList<(int Begin, int Count)> OwnParts { get; }

    /// <summary>Tokens of each row that are this rank's own.</summary>
    public int OwnTokens { get; }

    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    protected virtual void Dispose(bool disposing)
    {
        if (disposing)
        {
            Positions.Dispose();
        }
    }
}
