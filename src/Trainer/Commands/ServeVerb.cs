using System.CommandLine;
using KvShiftScale.Core;
using KvShiftScale.Trainer.Serving;
using KvShiftScale.Trainer.Signals;

namespace KvShiftScale.Trainer.Commands;

/// <summary><c>kvshift serve</c>: completions over HTTP, until a signal.</summary>
internal static class ServeVerb
{
    public static Command Build()
    {
        var model = new ModelChoice();
        var host = new Option<string>("--host") { Description = "Address to listen at; 0.0.0.0 for all of this machine's.", DefaultValueFactory = _ => "127.0.0.1" };
        var port = new Option<int>("--port") { Description = "TCP port.", DefaultValueFactory = _ => 8080 };
        var vanilla = new Option<bool>("--vanilla") { Description = "Leave the KV shift out." };
        var command = new Command("serve", "Completes prompts over HTTP, in the shape of OpenAI's /v1/completions, until Ctrl-C or SIGTERM.") { host, port, vanilla };
        model.AddTo(command);
        command.SetAction(parsed => Run(model.Resolve(parsed), parsed.GetRequiredValue(host), parsed.GetValue(port), parsed.GetValue(vanilla)));
        return command;
    }

    private static int Run(string folder, string host, int port, bool vanilla)
    {
        using var stop = new SignalToken();
        using var model = Load(folder, vanilla);
        var name = RunPath.NameOf(folder);
        using var server = new CompletionServer(model.Generator, model.Tokenizer, name, host, port);
        Console.WriteLine(FormattableString.Invariant($"{name}: http://{host}:{port}/v1/completions, context of {model.Generator.Context} tokens; Ctrl-C ends it"));
        server.Run(stop.Token);
        return ExitCode.Done;
    }

    private static TextModel Load(string folder, bool vanilla)
    {
        // Nothing is served yet that would have to end.
        using var ended = new SignalEnd();
        return TextModel.Load(folder, vanilla, room: _ => long.MaxValue);
    }
}
