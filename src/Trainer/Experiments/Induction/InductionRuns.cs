namespace KvShiftScale.Trainer.Experiments.Induction;

/// <summary>
/// The runs of an experiment, shared by ranks through a folder: whoever first creates the file of a claim computes that run, so ranks that
/// are done early take what is left. The folder has to be one that all ranks see.
/// </summary>
internal sealed class InductionRuns(string folder, IReadOnlyList<InductionRun> runs)
{
    private readonly string _results = Path.Combine(folder, "runs");
    private readonly string _claims = Path.Combine(folder, ".claims");

    /// <summary>Removes claims of earlier launches and results of other settings; the first rank does it before any rank begins.</summary>
    /// <returns>Number of runs that are finished already.</returns>
    public int Prepare()
    {
        if (Directory.Exists(_claims))
        {
            Directory.Delete(_claims, recursive: true);
        }

        Directory.CreateDirectory(_claims);
        Directory.CreateDirectory(_results);
        var done = 0;
        foreach (var run in runs)
        {
            if (InductionResultFile.Read(ResultPath(run), run.Settings) is not null)
            {
                done++;
            }
            else
            {
                File.Delete(ResultPath(run));
            }
        }
        return done;
    }

    /// <summary>Runs that nobody has finished or begun, the longest first; each is claimed as it is handed out.</summary>
    public IEnumerable<InductionRun> Claim()
    {
        foreach (var run in runs.OrderByDescending(run => run.ExpectedWork))
        {
            if (!File.Exists(ResultPath(run)) && TryClaim(run))
            {
                yield return run;
            }
        }
    }

    /// <summary>Keeps a result.</summary>
    public void Save(InductionRun run, InductionResult result) => InductionResultFile.Write(ResultPath(run), result);

    /// <summary>Number of runs that are finished.</summary>
    public int CountDone() => runs.Count(run => File.Exists(ResultPath(run)));

    /// <summary>Results in the order of the runs. All have to be finished.</summary>
    public IReadOnlyList<InductionResult> Results() => [.. runs.Select(run => InductionResultFile.Read(ResultPath(run), run.Settings)
        ?? throw new InvalidDataException($"{ResultPath(run)} has changed while the experiment ran; delete it and start again"))];

    /// <summary>Removes the claims of a finished experiment.</summary>
    public void Finish() => Directory.Delete(_claims, recursive: true);

    private string ResultPath(InductionRun run) => Path.Combine(_results, run.Id + ".json");

    private bool TryClaim(InductionRun run)
    {
        try
        {
            using var claim = new FileStream(Path.Combine(_claims, run.Id), FileMode.CreateNew, FileAccess.Write);
            return true;
        }
        catch (IOException) when (File.Exists(Path.Combine(_claims, run.Id)))
        {
            return false;
        }
    }
}
