using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using KvShiftScale.CrashProgram;

// crash-test [--count N] [--first K] [--seed S] [--signals N] [--launcher N]: trials K to K+N-1 of a seed.
var (count, first, seed, signals, launchers) = (0, 1, 1, 0, 0);
for (var i = 0; i < args.Length; i += 2)
{
    if (i + 1 == args.Length || !int.TryParse(args[i + 1], NumberStyles.None, CultureInfo.InvariantCulture, out var value))
    {
        return Usage();
    }

    switch (args[i])
    {
        case "--count": count = value; break;
        case "--first": first = value; break;
        case "--seed": seed = value; break;
        case "--signals": signals = value; break;
        case "--launcher": launchers = value; break;
        default: return Usage();
    }
}
if (count == 0 && signals == 0 && launchers == 0)
{
    return Usage();
}

using var interrupted = new CancellationTokenSource();
using var workshop = new Workshop();
// A trial whose processes are gone fails at once, and then the folder is deleted.
PosixSignalRegistration[] ends = [.. ((PosixSignal[])[PosixSignal.SIGTERM, PosixSignal.SIGINT, PosixSignal.SIGHUP]).Select(signal => PosixSignalRegistration.Create(signal, context =>
{
    context.Cancel = true;
    interrupted.Cancel();
    foreach (var process in SystemProcesses.Mentioning(workshop.Folder)) { SystemProcesses.Signal(process, SystemProcesses.SigKill); } }))];
var (crashes, damages, injected, struck, struckBeside) = (0, 0, 0, 0, 0);
var crashesPassed = Trials("crash-test", count, number =>
{
    var trial = new CrashTrial(workshop, seed, number);
    return (() => trial.Story, () =>
    {
        trial.Run();
        (crashes, damages) = (crashes + trial.Crashes, damages + trial.Damages);
        (injected, struck, struckBeside) = (injected + trial.Injected, struck + trial.Struck, struckBeside + trial.StruckBesideFirst);
    }
    );
});
if (count > 0)
{
    Console.WriteLine($"crash-test: {crashesPassed} of {count} ({crashes} launches killed, {struck} of {injected} kills at a point of a save struck, {struckBeside} of them "
        + $"on a rank other than the first; {damages} checkpoints damaged)");
}
var signalsPassed = Trials("signals", signals, number =>
{
    var trial = new SignalTrial(workshop, seed, number);
    return (() => trial.Story, trial.Run);
});
if (signals > 0)
{
    Console.WriteLine($"signals: {signalsPassed} of {signals}");
}

var longest = 0.0;
var launchersPassed = Trials("launcher", launchers, number =>
{
    var trial = new LauncherTrial(workshop, seed, number);
    return (() => trial.Story, () =>
    {
        trial.Run();
        longest = Math.Max(longest, trial.Seconds);
    }
    );
});
if (launchers > 0)
{
    Console.WriteLine(FormattableString.Invariant($"launcher: {launchersPassed} of {launchers} (all processes gone after {longest:F1} s at most)"));
}

foreach (var end in ends)
{
    end.Dispose();
}

if (interrupted.IsCancellationRequested)
{
    Console.WriteLine("crash-test: interrupted");
}

return crashesPassed == count && signalsPassed == signals && launchersPassed == launchers ? 0 : 1;

int Trials(string what, int trials, Func<int, (Func<string> Story, Action Run)> make)
{
    var passed = 0;
    for (var number = first; number < first + trials && !interrupted.IsCancellationRequested; number++)
    {
        var start = Stopwatch.GetTimestamp();
        var (story, run) = make(number);
        string outcome;
        try
        {
            run();
            outcome = "same bits";
            passed++;
        }
        catch (TrialFault fault)
        {
            outcome = "FAILED: " + fault.Message;
        }
        var seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{what} {number,3}  {seconds,4:F1} s  {story()}; {outcome}"));
    }
    return passed;
}

int Usage()
{
    Console.Error.WriteLine("usage: launch/crash-test [--count N] [--first K] [--seed S] [--signals N] [--launcher N]");
    return 2;
}
