using KvShiftScale.Data.Corpus;
using KvShiftScale.Data.Finding;
using KvShiftScale.Data.Text;
using KvShiftScale.Data.Tokenization;

namespace KvShiftScale.Data.Shards;

/// <summary>What a folder of shards was made from, for its manifest.</summary>
/// <param name="EndOfText">Whether each document ends with the end-of-text id.</param>
/// <param name="Field">Field of JSON lines that held the text.</param>
/// <param name="ShardTokens">Tokens after which the next document opened another shard.</param>
/// <param name="TextBytes">Bytes of all text in UTF-8.</param>
/// <param name="Inputs">The files, in reading order.</param>
public sealed record PreparationRecord(bool EndOfText, string Field, long ShardTokens, long TextBytes, IReadOnlyList<CorpusInput> Inputs)
{
    /// <summary>Column of Parquet files that held the text.</summary>
    public string TextColumn { get; init; } = TextDocuments.DefaultField;

    /// <summary>What all files were read as, by a name of <see cref="CorpusSelection.KindNames"/>; null where their names said it.</summary>
    public string? As { get; init; }

    /// <summary>The part of the files that these are; null for all of them.</summary>
    public CorpusPart? Part { get; init; }

    /// <summary>Percent of the documents that are kept for validation, in a folder beside the others; null for none.</summary>
    public decimal? ValidationPercent { get; init; }

    /// <summary>The id that ends documents; null where none does, or where an earlier version did not say.</summary>
    public int? EndOfTextId { get; init; }

    /// <summary>The id that begins documents; null where none does.</summary>
    public int? BeginOfTextId { get; init; }

    /// <summary>What the spelling of a special token in a text became: "text" or "ids".</summary>
    public string SpecialTokens { get; init; } = NameOf(default);

    /// <summary>Whether lines of JSON without a text were left out.</summary>
    public bool SkipsBadLines { get; init; }

    /// <summary>Places where the input is not UTF-8, each of which became U+FFFD.</summary>
    public long ReplacedSequences { get; init; }

    /// <summary>Documents with such places.</summary>
    public long DocumentsReplacedIn { get; init; }

    /// <summary>Lines of JSON that no document was made of: bad ones, and those with null in the place of the text.</summary>
    public long LeftOutLines { get; init; }

    /// <summary>The first of them; null where there is none.</summary>
    public IReadOnlyList<LeftOutLine>? FirstLeftOut { get; init; }

    /// <summary>The name of a rule for special tokens.</summary>
    public static string NameOf(SpecialTokens rule) => rule == Tokenization.SpecialTokens.Recognized ? "ids" : "text";

    internal PreparationRecord With(TokenizationProgress progress) => this with
    {
        TextBytes = progress.TextBytes,
        ReplacedSequences = progress.ReplacedSequences,
        DocumentsReplacedIn = progress.DocumentsReplacedIn,
        LeftOutLines = progress.LeftOutLines,
        FirstLeftOut = progress.FirstLeftOut,
    };

    /// <summary>Why work that was begun as this says cannot go on, or is not the work asked for; null when it can or is.</summary>
    /// <param name="wanted">The settings asked for; its inputs do not count.</param>
    /// <param name="paths">The files asked for. There may be more than recorded ones only where the record is of unfinished work.</param>
    /// <param name="isFinished">Whether this is the record of all inputs.</param>
    internal string? DifferenceFrom(PreparationRecord wanted, IReadOnlyList<string> paths, bool isFinished)
    {
        if (SettingsDifferenceFrom(wanted) is { } difference)
        {
            return difference;
        }

        if (paths.Count < Inputs.Count || (isFinished && paths.Count > Inputs.Count))
        {
            return FormattableString.Invariant($"{Inputs.Count} input files were read, and now there are {paths.Count}");
        }

        return Inputs.Select((input, index) => input.DifferenceFrom(paths[index])).FirstOrDefault(difference => difference is not null);
    }

    /// <summary>The setting of which two parts of one corpus, or a begun and a wanted preparation, differ; null where they are alike.</summary>
    internal string? SettingsDifferenceFrom(PreparationRecord wanted)
    {
        if (EndOfText != wanted.EndOfText)
        {
            return $"its documents end {(EndOfText ? "with" : "without")} the end-of-text id";
        }

        if (EndOfTextId != wanted.EndOfTextId)
        {
            return FormattableString.Invariant($"its documents end with id {EndOfTextId}, and now id {wanted.EndOfTextId} is to end them");
        }

        if (BeginOfTextId != wanted.BeginOfTextId)
        {
            return FormattableString.Invariant($"its documents begin {(BeginOfTextId is { } begin ? $"with id {begin}" : "without an id of their own")}");
        }

        if (SpecialTokens != wanted.SpecialTokens)
        {
            return $"special tokens written in a text are {SpecialTokens} in it";
        }

        if (SkipsBadLines != wanted.SkipsBadLines)
        {
            return $"lines of JSON without a text {(SkipsBadLines ? "were left out" : "end the work")}";
        }

        if (As != wanted.As)
        {
            return $"its files were read {(As is null ? "as their names say" : $"as {As}")}";
        }

        if (Field != wanted.Field && HasAny(CorpusFileKind.JsonLines))
        {
            return $"its text is that of the field '{Field}'";
        }

        if (TextColumn != wanted.TextColumn && HasAny(CorpusFileKind.Parquet))
        {
            return $"its text is that of the column '{TextColumn}'";
        }

        if (ValidationPercent != wanted.ValidationPercent)
        {
            return ValidationPercent is { } percent
                ? FormattableString.Invariant($"{percent} % of its documents are kept for validation")
                : "no document of it is kept for validation";
        }

        if (ShardTokens != wanted.ShardTokens)
        {
            return FormattableString.Invariant($"its shards have {ShardTokens} tokens");
        }

        return null;
    }

    private bool HasAny(CorpusFileKind kind)
        => Inputs.Any(input => (As is null ? CorpusFileName.KindOf(input.Path) : CorpusSelection.KindNames.GetValueOrDefault(As)) == kind);
}
