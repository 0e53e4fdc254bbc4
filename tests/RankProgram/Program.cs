using KvShiftScale.RankProgram;
using KvShiftScale.RankProgram.Scenarios;

// One rank of a test under mpirun: the argument names the scenario. 0: all held; 1: the text on standard error did not.
var scenarios = new Dictionary<string, Action>
{
    ["collectives"] = CollectiveScenario.Run,
    ["mesh"] = MeshScenario.Run,
    ["refused-layout"] = MeshScenario.RunRefused,
    ["gradients"] = GradientScenario.Run,
    ["overlap"] = OverlapScenario.Run,
    ["overlap-checked"] = OverlapScenario.RunChecked,
    ["overlap-failure"] = OverlapScenario.RunFailure,
    ["overlap-abandoned"] = () => OverlapEndScenario.RunAbandoned(checkCollectives: false),
    ["overlap-abandoned-checked"] = () => OverlapEndScenario.RunAbandoned(checkCollectives: true),
    ["mpi.net"] = MpiNetScenario.Run,
    ["mismatch"] = FailureScenario.RunMismatch,
    ["abort"] = FailureScenario.RunAbort,
    ["ledger"] = LedgerScenario.Run,
    ["checked-collectives"] = LedgerScenario.RunChecked,
    ["loader"] = LoaderScenario.Run,
};

if (args.Length != 1 || !scenarios.TryGetValue(args[0], out var scenario))
{
    Console.Error.WriteLine($"Pass one of: {string.Join(", ", scenarios.Keys)}.");
    return 2;
}

try
{
    scenario();
    return 0;
}
catch (Exception exception)
{
    // Without an end of MPI on this rank, mpirun ends the others.
    Console.Error.WriteLine(exception is ExpectationException ? exception.Message : exception.ToString());
    return 1;
}
