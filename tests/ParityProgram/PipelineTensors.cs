using KvShiftScale.Models.Configuration;
using KvShiftScale.Parallel.Control;
using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Testing;
using KvShiftScale.Trainer.Session;
using static TorchSharp.torch;

namespace KvShiftScale.ParityProgram;

/// <summary>Tensors that are alive after steps of a pipeline.</summary>
internal static class PipelineTensors
{
    private const int WarmUp = 3;
    private const int Steps = 20;

    private static readonly ModelConfig Model = new() { VocabSize = 37, HiddenSize = 16, Layers = 4, Heads = 4, KvHeads = 2, FfnSize = 24, TieEmbeddings = true };

    /// <summary>A line for one chunk a stage and for two. Fails where a rank has other tensors after twenty more steps.</summary>
    public static int Run(ParallelContext ranks, string folder)
    {
        var shard = ranks.BroadcastText(ranks.World.Rank == 0 ? ParityCorpus.Write(folder, Model.VocabSize, 4000) : "");
        foreach (var chunks in (int[])[1, 2])
        {
            var layout = new ParallelConfig { Pipeline = ranks.World.Size, VirtualStages = chunks };
            var test = new ParityCase(layout, MicroBatch: 1, Model) { GlobalBatch = 4 * ranks.World.Size };
            using var divided = ranks.Divide(layout);
            var config = ParityRun.ConfigOf(test, Precision.Fp32, KernelChoice.Auto);
            using var session = TrainingSession.Create(config, divided);
            session.Initialize(seed: 1);
            using var batches = ParityRun.BatchesOf(config, divided, shard);
            Train(1, WarmUp);
            var before = LiveTensors.Settled();
            Train(WarmUp + 1, Steps);
            // Sums of the other ranks may be under way.
            ranks.World.Barrier();
            Span<long> grown = [Math.Abs(Tensor.TotalCount - before)];
            ranks.World.Max(grown);
            if (ranks.World.Rank == 0)
            {
                var found = grown[0] == 0 ? "the same number of tensors" : FormattableString.Invariant($"up to {grown[0]} tensors more or less");
                Console.WriteLine(FormattableString.Invariant($"{ranks.World.Size} stages of {chunks} chunk(s): {found} after {Steps} steps"));
            }

            if (grown[0] != 0)
            {
                return 1;
            }

            void Train(int first, int count)
            {
                for (var step = first; step < first + count; step++)
                {
                    session.Step(step, batches);
                }
            }
        }

        return 0;
    }
}
