namespace KvShiftScale.Trainer.Experiments.Induction;

internal sealed class InductionReport(string folder, IReadOnlyList<InductionStudy> studies, IReadOnlyList<InductionResult> results, int ranks, double seconds)
{
    public void Write()
    {
        Console.WriteLine($"{folder} {ranks} {seconds}");
        foreach (var study in studies)
        {
            foreach (var g in InductionGroup.Of(study, results)) Console.WriteLine($"{study.Name} {g.Arm.Name} {g.Width}: {g.MedianText} | {g.StepsText} | {g.BestText} | {g.Results.Sum(r => r.Seconds):F1} s, {1000*g.Results.Sum(r=>r.Seconds)/g.Results.Sum(r=>r.Curve[^1].Step):F2} ms/step");
            foreach (var c in InductionClaims.Check(study, results)) Console.WriteLine($"{c.Verdict}: {c.Sentence}: {c.Found}");
        }
    }
}
