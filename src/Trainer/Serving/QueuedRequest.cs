using System.Threading.Channels;

namespace KvShiftScale.Trainer.Serving;

/// <summary>A request that waits for its turn, or has it.</summary>
/// <param name="Completions">One for each prompt, in their order.</param>
/// <param name="Pieces">Takes the pieces with the numbers of their prompts; completed with what ended them, where that is a failure.</param>
/// <param name="Cancellation">The client has gone, or the server ends.</param>
internal sealed record QueuedRequest(IReadOnlyList<Completion> Completions, ChannelWriter<(int Index, CompletionPiece Piece)> Pieces, CancellationToken Cancellation)
{
    /// <summary>Computes all of it on the calling thread.</summary>
    public void Complete()
    {
        try
        {
            foreach (var (index, completion) in Completions.Index())
            {
                foreach (var piece in completion.Run(Cancellation))
                {
                    Pieces.TryWrite((index, piece));
                }
            }

            Pieces.Complete();
        }
        catch (Exception failure)
        {
            // The handler that reads the pieces throws it, and answers for it; the next request may do.
            Pieces.Complete(failure);
        }
    }
}
