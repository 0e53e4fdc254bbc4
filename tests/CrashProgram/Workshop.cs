using System.Text.Json;
using KvShiftScale.Parallel.Native;

namespace KvShiftScale.CrashProgram;

/// <summary>A folder with data and configurations for small deterministic runs, and what they come to when nothing disturbs them.</summary>
internal sealed class Workshop : IDisposable
{
    /// <summary>Steps of a run that is to be killed: nine saves, a fraction of a second on a quiet core.</summary>
    public const int CrashSteps = 27;

    /// <summary>Steps between its saves.</summary>
    public const int CrashSaveEvery = 3;

    /// <summary>Steps between the saves of a run that is to be signalled.</summary>
    public const int SignalSaveEvery = 25;

    /// <summary>Steps of a run that is to be signalled: long enough for a signal to find it anywhere.</summary>
    public const int SignalSteps = 80;

    private static readonly string[] Words = "shifting attention mixes every key and value with the one before so that a single layer can copy".Split(' ');

    private readonly Dictionary<(int Tensor, int Pipeline), (string Bits, string Curve)> _crashReferences = [];
    private readonly Dictionary<(int Tensor, int Pipeline), (string Bits, string Curve)> _signalReferences = [];
    private readonly Dictionary<(int Ranks, int Tensor, int Pipeline), LaunchMeasure> _measures = [];

    public Workshop()
    {
        // Short: sockets of mpirun lie below it, and their paths may have a hundred letters.
        Folder = Directory.CreateTempSubdirectory("kvc-").FullName;
        var random = new Random(7);
        File.WriteAllLines(In("text.jsonl"), Enumerable.Range(0, 200).Select(_ => JsonSerializer.Serialize(new
        {
            text = string.Join(' ', Enumerable.Range(0, random.Next(4, 44)).Select(_ => Words[random.Next(Words.Length)])),
        })));
        RunVerb("tokenizer", "train", "--input", In("text.jsonl"), "--vocab-size", "290", "--output", In("tokenizer"));
        RunVerb("data", "prepare", "--input", In("text.jsonl"), "--tokenizer", In("tokenizer"), "--output", In("data"));
        // One run saves and validates often, the other has longer steps and a validation of many batches.
        WriteConfig(CrashConfig, CrashSteps, $"checkpoint_every: {CrashSaveEvery}, keep_checkpoints: 3, validate_every: 9, validation_rows: 8", 4, 1);
        // Rows one by one: what a batch sums up in float32 does not depend on the ranks then, in the validation either.
        WriteConfig(SignalConfig, SignalSteps, $"checkpoint_every: {SignalSaveEvery}, keep_checkpoints: 9, validate_every: 30", 8, 1);
    }

    /// <summary>Where everything lies; deleted at the end.</summary>
    public string Folder { get; }

    public string CrashConfig => In("crash.yaml");

    public string SignalConfig => In("signal.yaml");

    /// <summary>The program under test.</summary>
    public static string Program => Path.Combine(AppContext.BaseDirectory, "kvshift.dll");

    /// <summary>The checkout that this program was built from, with the scripts in launch.</summary>
    public static string Checkout
    {
        get
        {
            var folder = new DirectoryInfo(AppContext.BaseDirectory);
            while (!File.Exists(Path.Combine(folder.FullName, "KvShiftScale.sln")))
            {
                folder = folder.Parent ?? throw new FileNotFoundException("no checkout above this program");
            }

            return folder.FullName;
        }
    }

    /// <summary>Bits and curve of the run that is to be killed, on so many ranks to a copy of the parameters.</summary>
    public (string Bits, string Curve) CrashReference(int tensor, int pipeline = 1) => Reference(_crashReferences, CrashConfig, CrashSteps, tensor, pipeline);

    /// <summary>The same of the run that is to be signalled.</summary>
    public (string Bits, string Curve) SignalReference(int tensor, int pipeline = 1) => Reference(_signalReferences, SignalConfig, SignalSteps, tensor, pipeline);

    /// <summary>The command of one launch of a run in <paramref name="folder"/>.</summary>
    public static string[] Command(string config, string folder, RunLayout layout, bool asRanks = false)
    {
        string[] train = ["dotnet", Program, .. Arguments(config, folder, layout)];
        return layout.Ranks == 1 && !asRanks ? train : [.. MpiRun(layout.Ranks), .. train];
    }

    /// <summary>What follows the program's name.</summary>
    public static string[] Arguments(string config, string folder, RunLayout layout)
        => ["train", config, .. ((string[])["run.name=r", $"run.directory={folder}", .. layout.Settings]).SelectMany(setting => (string[])["--set", setting])];

    /// <summary>mpirun with its flags, of the MPI that KVSHIFT_MPI names or of the one whose launcher is called mpirun.</summary>
    public static string[] MpiRun(int ranks, MpiFlavor? mpi = null)
    {
        var launcher = MpiLauncher.Find(mpi ?? MpiLibrary.Named(Environment.GetEnvironmentVariable(MpiLibrary.Variable)));
        return [launcher.Program, .. launcher.Arguments(ranks, quiet: true)];
    }

    /// <summary>A new folder for one trial.</summary>
    public string NewFolder(string name) => Directory.CreateDirectory(In(name)).FullName;

    /// <summary>How long an undisturbed launch of a crash run takes on so many ranks, and how often each comes to the points of faults.</summary>
    public LaunchMeasure Measure(RunLayout layout)
    {
        var key = (layout.Ranks, layout.Tensor, layout.Pipeline);
        if (!_measures.TryGetValue(key, out var measure))
        {
            _measures.Add(key, measure = new LaunchMeasure(this, layout with { Zero1 = false }));
            if (measure.Outcome != CrashReference(layout.Tensor, layout.Pipeline))
            {
                throw new TrialFault($"an undisturbed run on {layout} has other bits or another curve");
            }
        }
        return measure;
    }

    public void Dispose()
    {
        foreach (var process in SystemProcesses.Mentioning(Folder))
        {
            SystemProcesses.Signal(process, SystemProcesses.SigKill);
        }

        for (var patience = 20; ; patience--)
        {
            try
            {
                Directory.Delete(Folder, recursive: true);
                return;
            }
            catch (IOException) when (patience > 0)
            {
                // A process that is being killed has made one more file.
                Thread.Sleep(100);
            }
        }
    }

    private string In(string name) => Path.Combine(Folder, name);

    private (string Bits, string Curve) Reference(Dictionary<(int Tensor, int Pipeline), (string Bits, string Curve)> known, string config, int steps, int tensor, int pipeline)
    {
        if (!known.TryGetValue((tensor, pipeline), out var reference))
        {
            known.Add((tensor, pipeline), reference = Undisturbed(config, steps, new RunLayout(tensor * pipeline, tensor, false, pipeline)));
        }

        return reference;
    }

    private (string Bits, string Curve) Undisturbed(string config, int steps, RunLayout layout)
    {
        var folder = NewFolder($"reference-{Path.GetFileNameWithoutExtension(config)}-{layout.Tensor}-{layout.Pipeline}");
        using var launch = RunningLaunch.Start(Command(config, folder, layout), folder);
        if (launch.Wait() is not 0 and var code)
        {
            throw new TrialFault($"the undisturbed run ended with {code}:\n{launch.Output}");
        }

        var traces = new RunTraces(Path.Combine(folder, "r"));
        return (traces.Bits(steps), traces.Curve());
    }

    private void RunVerb(params string[] arguments)
    {
        using var run = RunningLaunch.Start(["dotnet", Program, .. arguments], Folder);
        if (run.Wait() is not 0 and var code)
        {
            throw new TrialFault($"{string.Join(' ', arguments)} ended with {code}:\n{run.Output}");
        }
    }

    private void WriteConfig(string path, int steps, string run, int globalBatch, int microBatch) => File.WriteAllText(path,
        $$"""
        run: { name: r, steps: {{steps}}, seed: 5, log_every: 1, deterministic: true, {{run}} }
        model: { vocab_size: 290, hidden_size: 32, layers: 2, heads: 4, kv_heads: 2, ffn_size: 64 }
        data: { train: ["{{Folder}}/data/*.parquet"], validation: ["{{Folder}}/data/*.parquet"], context: 48, global_batch: {{globalBatch}}, micro_batch: {{microBatch}} }
        parallel: { threads_per_rank: 1 }
        optimizer: { lr: 3.0e-3, warmup_steps: 5, decay: cosine }
        """);
}
