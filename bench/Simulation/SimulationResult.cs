namespace KvShiftScale.Simulation;

/// <summary>What a simulated step has taken, in seconds; the parts are means over ranks of the thread that computes.</summary>
/// <param name="StepSeconds">From the end of one step to the end of the next, of the rank that ends last.</param>
/// <param name="ComputeSeconds">Computing.</param>
/// <param name="TransferSeconds">In transfers that it does itself, all ranks having come.</param>
/// <param name="LateSeconds">Waiting for other ranks there, and for stages before and after.</param>
/// <param name="ExposedSeconds">Waiting for what communicates beside it.</param>
/// <param name="Operations">Operations of all ranks and steps.</param>
internal sealed record SimulationResult(double StepSeconds, double ComputeSeconds, double TransferSeconds, double LateSeconds, double ExposedSeconds, long Operations);
