using Spectre.Console;

namespace KvShiftScale.Trainer.Reporting;

/// <summary>Standard output for tables: as the terminal is, or plain and wide enough not to wrap where it goes to a file.</summary>
internal static class PlainConsole
{
    private const int FileColumns = 150;

    public static IAnsiConsole Create()
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = Console.IsOutputRedirected ? AnsiSupport.No : AnsiSupport.Detect,
            ColorSystem = Console.IsOutputRedirected ? ColorSystemSupport.NoColors : ColorSystemSupport.Detect,
        });
        if (Console.IsOutputRedirected)
        {
            console.Profile.Width = FileColumns;
        }

        return console;
    }
}
