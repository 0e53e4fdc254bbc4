using KvShiftScale.Parallel.Native;
using KvShiftScale.RankProgram;
using KvShiftScale.RankProgram.Scenarios;

// One rank of a test under mpirun: the argument names the scenario. 0: all held; 1: the text on standard error did not; 2: no such
// scenario, or no MPI for it.
var scenarios = new Dictionary<string, Action>
{
    ["collectives"] = CollectiveScenario.Run,
    ["mesh"] = MeshScenario.Run,
    ["another-axis"] = MeshScenario.RunAnotherAxis,
    ["refused-layout"] = MeshScenario.RunRefused,
    ["gradients"] = GradientScenario.Run,
    ["overlap"] = OverlapScenario.Run,
    ["overlap-checked"] = OverlapScenario.RunChecked,
    ["overlap-failure"] = OverlapScenario.RunFailure,
    ["overlap-abandoned"] = () => OverlapLifeScenario.RunAbandoned(checkCollectives: false),
    ["overlap-abandoned-checked"] = () => OverlapLifeScenario.RunAbandoned(checkCollectives: true),
    ["overlap-life"] = OverlapLifeScenario.Run,
    ["overlap-many"] = OverlapLifeScenario.RunMany,
    ["overlap-without-memory"] = OverlapLifeScenario.RunWithoutMemory,
    ["overlap-without-threads"] = OverlapLifeScenario.RunWithoutThreads,
    ["shared-gradients"] = SharedGradientScenario.Run,
    ["mpi.net"] = MpiNetScenario.Run,
    ["mpi.net-missing"] = MpiNetScenario.RunMissing,
    ["mismatch"] = FailureScenario.RunMismatch,
    ["abort"] = FailureScenario.RunAbort,
    ["messages"] = MessageScenario.Run,
    ["messages-checked"] = MessageScenario.RunChecked,
    ["message-death"] = MessageScenario.RunDeath,
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
    MpiLibrary.Load(Environment.GetEnvironmentVariable);
    scenario();
    return 0;
}
catch (KvShiftLibraryException exception)
{
    Console.Error.WriteLine(exception.Message);
    return 2;
}
catch (Exception exception) when (Fails(exception))
{
    return 1;
}

// A filter runs where the exception was thrown, before `using` ends MPI in order: that would wait for ranks which wait for this one. A process
// that ends without an end of MPI has mpirun end the others.
static bool Fails(Exception exception)
{
    Console.Error.WriteLine(exception is ExpectationException ? exception.Message : exception.ToString());
    Environment.Exit(1);
    return true;
}
