using KvShiftScale.Data.Text.Files;
namespace KvShiftScale.Data.Preparation;

/// <summary>What a folder of shards was made from, for its manifest.</summary>
/// <param name="EndOfText">Whether each document ends with the end-of-text id.</param>
/// <param name="Field">Field of JSON lines that held the text.</param>
/// <param name="ShardTokens">Tokens after which the next document opened another shard.</param>
/// <param name="TextBytes">Bytes of all text in UTF-8.</param>
/// <param name="Inputs">The files, in reading order.</param>
public sealed record PreparationRecord(bool EndOfText, string Field, long ShardTokens, long TextBytes, IReadOnlyList<CorpusInput> Inputs)
{
    /// <summary>Why work that was begun as this says cannot go on, or is not the work asked for; null when it can or is.</summary>
    /// <param name="wanted">The settings asked for; its inputs do not count.</param>
    /// <param name="paths">The files asked for. There may be more than recorded ones only where the record is of unfinished work.</param>
    /// <param name="isFinished">Whether this is the record of all inputs.</param>
    internal string? DifferenceFrom(PreparationRecord wanted, IReadOnlyList<string> paths, bool isFinished)
    {
        if (EndOfText != wanted.EndOfText)
        {
            return $"its documents end {(EndOfText ? "with" : "without")} the end-of-text id";
        }

        if (Field != wanted.Field && Inputs.Any(input => CorpusFileName.KindOf(input.Path) == CorpusFileKind.JsonLines))
        {
            return $"its text is that of the field '{Field}'";
        }

        if (ShardTokens != wanted.ShardTokens)
        {
            return FormattableString.Invariant($"its shards have {ShardTokens} tokens");
        }

        if (paths.Count < Inputs.Count || (isFinished && paths.Count > Inputs.Count))
        {
            return FormattableString.Invariant($"{Inputs.Count} input files were read, and now there are {paths.Count}");
        }

        return Inputs.Select((input, index) => input.DifferenceFrom(paths[index])).FirstOrDefault(difference => difference is not null);
    }
}
