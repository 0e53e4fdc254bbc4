// Entry of bench/simulate. 0: no order stands still; 1: one does, or ranks disagree; 2: bad arguments or configuration.
using KvShiftScale.Core;
using KvShiftScale.Simulation;

var parsed = SimulateCommand.Build().Parse(args);
if (parsed.Errors.Count > 0)
{
    Console.Error.WriteLine($"simulate: {string.Join("\nsimulate: ", parsed.Errors.Select(error => error.Message))}\nRun 'bench/simulate --help' for the usage.");
    return ExitCode.Usage;
}

try
{
    return parsed.Invoke(new() { EnableDefaultExceptionHandler = false });
}
catch (KvShiftException exception)
{
    Console.Error.WriteLine($"simulate: {exception.Message}");
    return exception.Code;
}
