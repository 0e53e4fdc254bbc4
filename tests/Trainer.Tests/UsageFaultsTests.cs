using KvShiftScale.Trainer.Commands;
using KvShiftScale.Trainer.Launch;
using KvShiftScale.Trainer.Signals;

namespace KvShiftScale.Trainer.Tests;

/// <summary>What a command line's fault says: the word that is wrong, what is wanted, and what may have been meant.</summary>
public sealed class UsageFaultsTests
{
    // Arguments, with | between them, and what the one sentence has.
    [Theory]
    // Verbs.
    [InlineData("trian|c.yaml", "unknown verb 'trian'", "did you mean train?")]
    [InlineData("experiment|comprae", "unknown verb 'comprae'", "kvshift experiment wants one of induction, compare", "did you mean compare?")]
    [InlineData("data|prepaer|--input|x", "unknown option --input", "kvshift data takes no options")]
    [InlineData("prepare", "unknown verb 'prepare'", "did you mean data prepare?")]
    [InlineData("inspect|x", "did you mean data inspect or checkpoint inspect?")]
    [InlineData("gen", "did you mean generate?")]
    [InlineData("frobnicate", "unknown verb 'frobnicate'", "wants one of train, ")]
    [InlineData("data", "found no verb", "kvshift data wants one of prepare, inspect, verify")]
    [InlineData("", "found no verb", "kvshift wants one of train")]
    // Options: where the library would take them for a file, for one of several values, or for a word too many.
    [InlineData("train|--fast|c.yaml", "unknown option --fast", "kvshift train has --set, --new")]
    [InlineData("train|c.yaml|--fast", "unknown option --fast")]
    [InlineData("train|c.yaml|--dry-rum", "unknown option --dry-rum", "did you mean --dry-run?")]
    [InlineData("train|--sets|run.steps=5|c.yaml", "unknown option --sets", "did you mean --set?")]
    [InlineData("train|c.yaml|--rank=2", "unknown option --rank;", "did you mean --ranks?")]
    [InlineData("tokenizer|train|--input|a|--vocabsize|300|--output|o", "unknown option --vocabsize", "did you mean --vocab-size?")]
    [InlineData("data|prepare|--input|a|--tokeniser|t|--output|o", "unknown option --tokeniser", "did you mean --tokenizer?")]
    [InlineData("eval|--model|m|--data|a|b|--micro-batch|4", "unknown option --micro-batch")]
    [InlineData("generate|--model|--promt|x", "unknown option --promt", "did you mean --prompt?")]
    [InlineData("data|verify|-x", "unknown option -x", "kvshift data verify takes no options")]
    // Values.
    [InlineData("generate|--model|m|--prompt|p|--max-tokens|many", "found --max-tokens many; wanted a whole number from 1 to 16777216")]
    [InlineData("generate|--model|m|--prompt|p|--max-tokens|1e3", "found --max-tokens 1e3", "write --max-tokens 1000")]
    [InlineData("generate|--model|m|--prompt|p|--max-tokens| 5", "found --max-tokens  5", "write --max-tokens 5")]
    [InlineData("generate|--model|m|--prompt|p|--max-tokens|1_000", "write --max-tokens 1000")]
    [InlineData("generate|--model|m|--prompt|p|--max-tokens|0", "found --max-tokens 0; wanted at least 1; use for example 128")]
    [InlineData("generate|--model|m|--prompt|p|--max-tokens|-0", "found --max-tokens -0; wanted a whole number")]
    [InlineData("generate|--model|m|--prompt|p|--temperature|-0.0", "found --temperature -0.0; wanted a finite number from 0 to")]
    [InlineData("generate|--model|m|--prompt|p|--temperature|NaN", "found --temperature NaN; wanted a finite number")]
    [InlineData("generate|--model|m|--prompt|p|--temperature|1e400", "found --temperature 1e400; wanted a finite number")]
    [InlineData("generate|--model|m|--prompt|p|--temperature|0,8", "found --temperature 0,8; wanted a finite number")]
    [InlineData("generate|--model|m|--prompt|p|--top-p|Infinity", "found --top-p Infinity; wanted a finite number greater than 0 and at most 1")]
    [InlineData("generate|--model|m|--prompt|p|--seed|9223372036854775808", "found --seed 9223372036854775808; wanted a whole number from -9223372036854775808")]
    [InlineData("data|prepare|--input|a|--tokenizer|t|--output|o|--threads|100000", "found --threads 100000; wanted at most 1024")]
    [InlineData("data|prepare|--input|a|--tokenizer|t|--output|o|--shard-tokens|99999999999999", "wanted at most 1099511627776")]
    [InlineData("tokenizer|train|--input|a|--output|o|--vocab-size|2147483648", "found --vocab-size 2147483648; wanted at most 16777216")]
    [InlineData("train|c.yaml|--dry-run|--ranks|1000000", "found --ranks 1000000; wanted at most 131072")]
    [InlineData("train|c.yaml|--dry-run|--ranks|two", "found --ranks two; wanted a whole number from 1 to 131072")]
    [InlineData("experiment|compare|--seeds|1e9", "found --seeds 1e9; wanted a whole number from 1 to 10000")]
    [InlineData("replay|run|--step|0", "found --step 0; wanted at least 1")]
    // What the library says well enough.
    [InlineData("train", "argument missing", "'train'")]
    [InlineData("generate|--model|m|--prompt|p|--max-tokens", "--max-tokens")]
    public void TheRightWordIsBlamedInOneSentence(string arguments, params string[] told)
    {
        var fault = Assert.Single(Faults(arguments));

        Assert.All(told, part => Assert.Contains(part, fault, StringComparison.Ordinal));
        Assert.DoesNotContain("System.", fault, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("train|c.yaml|--set|run.steps=5|--new")]
    [InlineData("train|--set|optimizer.lr=-1|c.yaml")]
    [InlineData("generate|--model|m|--prompt|--what is this?")]
    [InlineData("generate|--model|m|--prompt|@home they say|--seed|-9223372036854775808|--temperature|1e-3")]
    [InlineData("data|verify|--|-strange-name.parquet")]
    [InlineData("train|--help")]
    [InlineData("--help")]
    [InlineData("experiment|--help")]
    public void WhatIsRightIsTaken(string arguments) => Assert.Empty(Faults(arguments));

    private static IReadOnlyList<string> Faults(string arguments)
    {
        var launch = new RankEnvironment(false, 0, null);
        return UsageFaults.Of(CommandLine.Parse(arguments.Split('|', StringSplitOptions.RemoveEmptyEntries), launch, null, new EarlyEnd(launch)));
    }
}
