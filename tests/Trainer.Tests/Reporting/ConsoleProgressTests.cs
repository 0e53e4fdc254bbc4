using KvShiftScale.Trainer.Reporting;
using Spectre.Console;

namespace KvShiftScale.Trainer.Tests.Reporting;

public sealed class ConsoleProgressTests
{
    private readonly StringWriter _output = new() { NewLine = "\n" };
    private readonly StringWriter _errors = new() { NewLine = "\n" };

    [Fact]
    public void WithoutATerminalThereArePlainLines()
    {
        using (var progress = new ConsoleProgress("books", 300, PlainConsole(), _errors))
        {
            progress.Report(StepRecords.At(0, validationLoss: 8.25));
            progress.Report(StepRecords.At(19) with { TokensPerSecond = 12_345.6, TflopsPerRank = 0.0341, MatmulShare = 0.625 });
            progress.Say("checkpoint step-00000020 written, [all] of it");
            progress.Warn("collector away");
            progress.Report(StepRecords.At(299, validationLoss: 3.5) with { StepSeconds = 12, TflopsPerRank = 402.4, Mfu = 0.40671, MatmulShare = 0.7 });
        }

        // The remaining time after step 299: one step of 2 + 0.3 * (12 - 2) = 5 seconds.
        Assert.Equal(
            "step 0/300 validation 8.2500\n" +
            "step 19/300 loss 0.5000 lr 2.00e-04 grad_norm 1.500 tokens/s 12,346 tflops 0.0341 matmul_share 0.625 eta 9m 22s\n" +
            "checkpoint step-00000020 written, [all] of it\n" +
            "step 299/300 loss 0.0333 validation 3.5000 lr 2.00e-04 grad_norm 1.500 tokens/s 500 tflops 402 mfu 0.407 matmul_share 0.700 eta 5.0s\n",
            _output.ToString());
        Assert.Equal("warning: collector away\n", _errors.ToString());
    }

    [Fact]
    public void OnATerminalThereIsAPanelThatEndsWithTheLastStep()
    {
        using (var progress = new ConsoleProgress("[books]", 40, Terminal(), _errors))
        {
            progress.Report(StepRecords.At(20, validationLoss: 4.75));
            progress.Say("checkpoint [written]");
            progress.Report(StepRecords.At(39) with { TflopsPerRank = 402.4, Mfu = 0.40671, MatmulShare = 0.7 });
        }

        var shown = _output.ToString();
        Assert.Contains("checkpoint [written]", shown);
        // Nothing of the border that was there before is left behind the sentence.
        Assert.Contains("checkpoint [written]" + new string(' ', 79 - "checkpoint [written]".Length), shown);
        var last = shown[shown.LastIndexOf("[books]", StringComparison.Ordinal)..];
        Assert.Contains("step 39 of 40", last);
        Assert.Contains("0.2500", last);
        Assert.Contains("validation 4.7500", last);
        Assert.Contains("eta 2.0s", last);
        Assert.Contains("402 TFLOP/s a rank   MFU 40.7 %   70.0 % of best product", last);
        Assert.DoesNotContain("\n\n", last);
        Assert.All(Lines(last), line => Assert.InRange(line.Length, 0, 80));
        Assert.Empty(_errors.ToString());
    }

    [Fact]
    public void DisplayCanBeOpenedAndClosedWithoutAStep()
    {
        using (new ConsoleProgress("books", 40, Terminal(), _errors))
        {
        }

        Assert.Contains("step 0 of 40", _output.ToString());
    }

    private static IEnumerable<string> Lines(string shown) =>
        System.Text.RegularExpressions.Regex.Replace(shown, "\u001b\\[[0-9;?]*[A-Za-z]", "").Split('\n').Select(line => line.TrimEnd('\r'));

    private IAnsiConsole PlainConsole() => AnsiConsole.Create(new AnsiConsoleSettings
    {
        Ansi = AnsiSupport.No,
        Interactive = InteractionSupport.No,
        Out = new AnsiConsoleOutput(_output),
    });

    private IAnsiConsole Terminal() => AnsiConsole.Create(new AnsiConsoleSettings
    {
        Ansi = AnsiSupport.Yes,
        Interactive = InteractionSupport.Yes,
        ColorSystem = ColorSystemSupport.Standard,
        Out = new TerminalOutput(_output),
    });

    private sealed class TerminalOutput(TextWriter writer) : IAnsiConsoleOutput
    {
        public TextWriter Writer { get; } = writer;

        public bool IsTerminal => true;

        public int Width => 80;

        public int Height => 24;

        public void SetEncoding(System.Text.Encoding encoding)
        {
        }
    }
}
