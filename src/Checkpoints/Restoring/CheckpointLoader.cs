using System.Globalization;
using KvShiftScale.Checkpoints.Manifests;
using KvShiftScale.Checkpoints.Safetensors;
using KvShiftScale.Checkpoints.Saving;
using KvShiftScale.Checkpoints.Slices;
using KvShiftScale.Core;
using KvShiftScale.Core.Configuration;
using KvShiftScale.Core.Files;
using KvShiftScale.Models;
using KvShiftScale.Models.Configuration;
using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Control;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Parallel.Optimization;
using KvShiftScale.Parallel.Parameters;
using static TorchSharp.torch;

namespace KvShiftScale.Checkpoints.Restoring;

/// <summary>
/// Takes a run up again from a checkpoint, on the layout that wrote it or any other: each rank reads the parts that it needs. All ranks
/// call its methods side by side.
/// </summary>
public sealed class CheckpointLoader(KvShiftTransformer model, AdamW optimizer, ParallelContext ranks, Precision precision)
{
    private static readonly string[] Kinds = ["", CheckpointTensor.ExpAvgPrefix, CheckpointTensor.ExpAvgSqPrefix];

    private readonly LogitProbe _probe = new(model, ranks);
    private readonly int _threads = get_num_threads();

    /// <summary>
    /// Fills model and optimizer from a checkpoint that any layout wrote, and checks that they are what was saved: every element of it, so
    /// that slices need not have been verified before. Collective.
    /// </summary>
    /// <param name="checkpoint">Its folder.</param>
    /// <param name="readState">Reads what the caller has there beside the tensors.</param>
    /// <returns>What that gave on this rank.</returns>
    /// <exception cref="ConfigException">It keeps another element type than the model.</exception>
    /// <exception cref="InvalidDataException">On all ranks: what was loaded is not what was saved.</exception>
    /// <exception cref="IOException">On all ranks: one of them could not read its parts.</exception>
    public T Load<T>(string checkpoint, Func<string, T> readState)
        where T : class
    {
        using var scope = NewDisposeScope();
        var (tensors, state) = Open(checkpoint, readState);
        using var opened = tensors;
        var isFresh = !tensors.All.Any(tensor => !tensor.IsParameter);
        RequirePrecision(tensors);
        var wanted = model.Parameters.Slots.SelectMany(slot => Wanted(slot, isFresh)).ToList();
        RankAgreement.Together(ranks.World, () => Crew.Share(_threads, wanted.Count, i => SliceFile.Read(tensors, wanted[(int)i])));
        RequireSame(checkpoint, tensors, isFresh);
        return state;
    }

    // A rank that cannot open it takes the others with it: alone it would wait for them elsewhere than they for it.
    private (CheckpointTensors Tensors, T State) Open<T>(string checkpoint, Func<string, T> readState)
        where T : class
    {
        T? state = null;
        CheckpointTensors? tensors = null;
        RankAgreement.Together(ranks.World, () =>
        {
            state = readState(checkpoint);
            tensors = CheckpointTensors.Open(checkpoint);
        });
        return (tensors!, state!);
    }

    // What this rank has to read of a parameter. Padding and what has no bytes in a checkpoint is zero.
    private List<HeldSlice> Wanted(ParameterSlot slot, bool isFresh)
    {
        using var mode = no_grad();
        var wanted = new List<HeldSlice>();
        var parameter = slot.Parameter.detach().view(-1);
        if (slot.Shard.ValidExtent < slot.Shard.Extent)
        {
            parameter.zero_();
        }

        foreach (var (local, runs) in slot.Shard.RunsOf(0, slot.Shard.ElementCount))
        {
            Add("", parameter, local, runs);
        }

        if (optimizer.StateOf(slot) is not { } state)
        {
            return wanted;
        }

        state.Master?.zero_();
        foreach (var (local, runs) in slot.Shard.RunsOf(state.Start, state.Length))
        {
            if (state.Master is not null)
            {
                Add("", state.Master, local - state.Start, runs);
            }

            if (isFresh)
            {
                continue;
            }

            Add(CheckpointTensor.ExpAvgPrefix, state.ExpAvg, local - state.Start, runs);
            Add(CheckpointTensor.ExpAvgSqPrefix, state.ExpAvgSq, local - state.Start, runs);
        }
        return wanted;

        void Add(string prefix, Tensor values, long first, ElementRuns runs)
            => wanted.Add(new HeldSlice(prefix + slot.Name, slot.Shard.GlobalShape, runs, values.narrow(0, first, runs.ElementCount)));
    }

    // Between fp32 and bf16 nothing is lost: both keep float32.
    private void RequirePrecision(CheckpointTensors tensors)
    {
        var kept = TensorFile.TypeOf(model.Parameters.GradientType);
        if (tensors.All.FirstOrDefault(tensor => tensor.Type != kept) is not { } other)
        {
            return;
        }

        throw new ConfigException(new ConfigFault("precision", ConfigKeys.NameOf(precision.ToString()),
            $"must keep the element type of {tensors.Source}, which has '{other.Name}' in {other.Entry.TypeName}",
            other.Type == SafetensorsType.F64 ? "set precision: fp64" : "set precision: fp32 or bf16, or begin a new run under another run.name"));
    }

    private void RequireSame(string checkpoint, CheckpointTensors tensors, bool isFresh)
    {
        var content = tensors.Manifest.Content;
        var kinds = isFresh ? Kinds[..1] : Kinds;
        var own = SliceFile.HashesOf(HeldSlice.Updated(model, optimizer), kinds, _threads);
        for (var i = 0; i < kinds.Length; i++)
        {
            // Together these hold every element once.
            var found = Sum(own[i], model.Parameters.IsShared ? ranks.World : ranks.Copy);
            var saved = content.HashOf(kinds[i]);
            // What one rank has found, all do something about.
            if (!ranks.World.Any(found != saved))
            {
                continue;
            }

            var what = kinds[i].Length == 0 ? "parameters" : kinds[i].TrimEnd('.');
            throw new InvalidDataException(string.Create(CultureInfo.InvariantCulture,
                $"{checkpoint}: {what} have the hash {found:x16} after loading and had {saved:x16} when they were saved. They are not the same on every rank; look at the checkpoint with 'kvshift checkpoint verify'."));
        }
        if (content.ProbeLogits.Count == 0)
        {
            return;
        }

        var difference = LogitProbe.Difference(content.ProbeLogits, _probe.Measure(content.ProbeTokens ?? model.Context));
        var tolerance = Math.Max(LogitProbe.ToleranceOf(precision), content.Layout?.Precision == "bf16" ? LogitProbe.ToleranceOf(Precision.Bf16) : 0);
        if (!ranks.World.Any(difference > tolerance))
        {
            return;
        }

        throw new InvalidDataException(string.Create(CultureInfo.InvariantCulture,
            $"{checkpoint}: the model gives logits for a fixed row that are up to {difference:G3} of the largest away from those that it gave when it was saved (at most {tolerance:G3} is rounding). Its parameters are the same, so this program computes something else with them than the one that saved it; versions then: {string.Join(", ", content.Versions.Select(version => $"{version.Key} {version.Value}"))}."));
    }

    // In two halves, whose sums cannot overflow whatever the number of ranks.
    private static ulong Sum(ulong own, ProcessGroup group)
    {
        Span<long> halves = [(long)(own & uint.MaxValue), (long)(own >> 32)];
        group.Sum(halves);
        return unchecked((ulong)halves[0] + ((ulong)halves[1] << 32));
    }
}
