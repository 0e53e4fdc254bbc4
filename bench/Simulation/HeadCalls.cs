using KvShiftScale.Models.Configuration;
using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Trainer.Configuration;

namespace KvShiftScale.Simulation;

/// <summary>What the ends of a model call: the embedding of the first stage, the final norm, the head and the loss of the last.</summary>
/// <param name="config">The run.</param>
/// <param name="recorder">Where calls are written.</param>
/// <param name="blocks">The ends of tensor-parallel regions.</param>
/// <param name="sums">What is told of parameters read and of gradients.</param>
/// <param name="time">What they take.</param>
/// <param name="tensor">Kind of the group that divides the vocabulary.</param>
internal sealed class HeadCalls(RunConfig config, OperationRecorder recorder, BlockCalls blocks, SimulatedSums sums, StageTime time, int tensor)
{
    private const string EmbeddingName = "model.embed_tokens.weight";
    private const string NormName = "model.norm.weight";

    private string HeadName => config.Model.TieEmbeddings ? EmbeddingName : "lm_head.weight";

    public void EmbeddingForward()
    {
        sums.Read(EmbeddingName);
        recorder.Compute(time.Embedding);
        blocks.Leave();
    }

    public void EmbeddingBackward()
    {
        blocks.LeaveBackward();
        recorder.Compute(time.Embedding);
        sums.GradientOf(EmbeddingName);
    }

    // The loss is taken over chunks of tokens; of each the ranks' largest logits and sums are joined.
    public void HeadForward()
    {
        sums.Read(NormName);
        blocks.Enter();
        sums.Read(HeadName);
        var chunk = ModelCost.LogitRows(blocks.Tokens, ShardRule.DividedByVocabulary.RowsOf(config.Model.VocabSize, config.Parallel.Tensor));
        for (var start = 0L; start < blocks.Tokens; start += chunk)
        {
            var rows = Math.Min(chunk, blocks.Tokens - start);
            recorder.Compute(time.Head * rows / blocks.Tokens);
            recorder.AllReduce(tensor, CollectiveDataType.Float32, rows, ReduceOperation.Max);
            recorder.AllReduce(tensor, CollectiveDataType.Float32, 2 * rows);
        }
    }

    public void HeadBackward()
    {
        sums.GradientOf(HeadName);
        blocks.EnterBackward();
        sums.GradientOf(NormName);
    }
}
