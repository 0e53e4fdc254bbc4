using System.CommandLine;
using KvShiftScale.Core;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.Diagnosis;
using KvShiftScale.Trainer.Launch;

namespace KvShiftScale.Trainer.Commands;

/// <summary><c>kvshift doctor</c>: what this machine, and the ranks of a launch, have and lack.</summary>
internal static class DoctorVerb
{
    private const int SubjectWidth = 22;

    public static Command Build(RankEnvironment launch)
    {
        var directory = new Option<string>("--directory")
        {
            Description = "Where runs are to be written; looked at by all ranks.",
            DefaultValueFactory = _ => new RunSection { Name = "", Steps = 1 }.Directory,
        };
        var patience = new Option<double>("--visibility-seconds")
        {
            Description = "How long a file that one rank has written may take to be seen by another one.",
            DefaultValueFactory = _ => 30,
        };
        var command = new Command("doctor",
            "Says what this machine has and lacks, for reports and before large launches; under mpirun also whether ranks see one folder and how fast they talk.") { directory, patience };
        command.SetAction(parsed => Run(launch, parsed.GetRequiredValue(directory), TimeSpan.FromSeconds(parsed.GetValue(patience))));
        return command;
    }

    private static int Run(RankEnvironment launch, string directory, TimeSpan patience)
    {
        var isFirst = launch.Rank == 0;
        // A rank that cannot load its libraries says so itself; what all have, the first one says.
        var here = MachineDiagnosis.Look();
        var stops = here.Any(finding => finding.StopsTraining);
        Tell(isFirst ? here : here.Where(finding => finding.StopsTraining), launch);
        if (stops)
        {
            return ExitCode.Failed;
        }

        launch.LoadMpi();
        using var ranks = ParallelContext.Create(new ParallelConfig(), launch.LaunchedByMpi);
        return FaultReport.Guard(launch, ranks, () =>
        {
            launch.RequireWorld(ranks.World);
            var together = new LaunchDiagnosis(ranks, RankAddress.Gather(ranks.World), patience).Look(directory);
            Tell(isFirst ? together : [], launch);
            return together.Any(finding => finding.StopsTraining) ? ExitCode.Failed : ExitCode.Done;
        });
    }

    private static void Tell(IEnumerable<Finding> findings, RankEnvironment launch)
    {
        var who = launch.Rank > 0 ? $"rank {launch.Rank} on {Environment.MachineName}: " : "";
        foreach (var finding in findings)
        {
            Console.WriteLine($"{(finding.StopsTraining ? "!!" : finding.Remedy is null ? "ok" : "? ")} {who}{finding.Subject.PadRight(SubjectWidth)} {finding.Text}");
            if (finding.Remedy is not null)
            {
                Console.WriteLine($"   {new string(' ', SubjectWidth)} -> {finding.Remedy}");
            }
        }
    }
}
