namespace KvShiftScale.Simulation;

/// <summary>What sends wait for and what overlaps.</summary>
/// <param name="OverlapShare">Share of transfers beside the computation that it can hide, 0 to 1.</param>
/// <param name="EagerBytes">Messages of so many bytes or fewer go without their receiver; 0: none, which is what an order has to come through.</param>
internal sealed record SimulationRules(double OverlapShare, long EagerBytes = 0);
