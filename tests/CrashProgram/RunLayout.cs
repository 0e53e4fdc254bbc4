namespace KvShiftScale.CrashProgram;

/// <summary>Ranks of one launch and how they divide the run.</summary>
/// <param name="Ranks">Processes.</param>
/// <param name="Tensor">Ranks that share a copy of the parameters.</param>
/// <param name="Zero1">Whether replicas share the optimizer.</param>
/// <param name="Pipeline">Stages that divide the layers.</param>
internal sealed record RunLayout(int Ranks, int Tensor, bool Zero1, int Pipeline = 1)
{
    /// <summary>What is set for it.</summary>
    public string[] Settings => [$"parallel.tensor={Tensor}", $"parallel.pipeline={Pipeline}", $"parallel.optimizer_sharding={(Zero1 ? "zero1" : "none")}"];

    /// <summary>For example <c>4 ranks 2x2 zero1</c>: data x tensor; a pipeline stands before it.</summary>
    public override string ToString()
        => $"{Ranks} rank{(Ranks == 1 ? "" : "s")} {(Pipeline > 1 ? $"{Pipeline} stages x " : "")}{Ranks / Tensor / Pipeline}x{Tensor}{(Zero1 ? " zero1" : "")}";
}
