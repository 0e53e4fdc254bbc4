using KvShiftScale.Core;
using KvShiftScale.Models.Configuration;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Parallel.Pipelines;
using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.Planning;

namespace KvShiftScale.Simulation;

/// <summary>A run in its layout on a cluster: the groups of its ranks, and what each does in a step.</summary>
internal sealed class SimulatedLaunch
{
    private readonly HardwareProfile _hardware;

    /// <param name="config">A run that keeps the rules of a launch.</param>
    /// <param name="hardware">A device and its links.</param>
    /// <param name="ranks">Ranks of the launch.</param>
    /// <param name="ranksPerNode">Ranks of a machine.</param>
    /// <exception cref="UsageException">The run sums in canonical order, or in a number format for which devices have no stated peak.</exception>
    public SimulatedLaunch(RunConfig config, HardwareProfile hardware, int ranks, int ranksPerNode)
    {
        if (config.Run.Deterministic)
        {
            throw new UsageException("found run.deterministic: true, whose sums in canonical order are not simulated; wanted false: --set run.deterministic=false");
        }

        if (config.Precision == Precision.Fp64)
        {
            throw new UsageException("found precision: fp64, for which devices have no stated peak; wanted bf16 or fp32: --set precision=bf16");
        }

        _hardware = hardware;
        var layout = MeshLayout.Create(ranks, config.Parallel);
        Groups = new LaunchGroups(layout);
        var links = new LinkTime(hardware, layout, ranksPerNode);
        var microBatches = config.Data.GlobalBatch / layout.DegreeOf(MeshAxis.Data) / config.Data.MicroBatch;
        var timetable = PipelineTimetable.Of(config.Parallel.Pipeline, config.Parallel.VirtualStages, microBatches);
        var programs = new Dictionary<(int Stage, int TensorRank), RankProgram>();
        Programs = [.. Enumerable.Range(0, ranks).Select(rank =>
        {
            var key = (layout.CoordinateOf(rank, MeshAxis.Pipeline), layout.CoordinateOf(rank, MeshAxis.Tensor));
            if (!programs.TryGetValue(key, out var program))
            {
                programs[key] = program = RankStep.Of(config, Groups, timetable, rank, hardware, links);
            }

            return program;
        })];
    }

    /// <summary>The groups.</summary>
    public LaunchGroups Groups { get; }

    /// <summary>Of each rank. Ranks with the same share one.</summary>
    public IReadOnlyList<RankProgram> Programs { get; }

    /// <summary>Runs it.</summary>
    /// <param name="stragglers">Which ranks are slow.</param>
    /// <param name="steps">Two or more.</param>
    /// <param name="eagerBytes">Messages of so many bytes or fewer go without their receiver.</param>
    public SimulationResult Run(Stragglers stragglers, int steps = 2, long eagerBytes = 0) => Run(Programs, stragglers, steps, eagerBytes);

    /// <summary>The same with other programs.</summary>
    public SimulationResult Run(IReadOnlyList<RankProgram> programs, Stragglers stragglers, int steps = 2, long eagerBytes = 0)
        => new LaunchSimulation(Groups, programs, new SimulationRules(_hardware.OverlapShare, eagerBytes), stragglers).Run(steps);
}
