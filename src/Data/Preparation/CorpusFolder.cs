namespace KvShiftScale.Data.Preparation;

/// <summary>Names of what a prepared corpus has in its folder, where it has them.</summary>
public static class CorpusFolder
{
    /// <summary>Shards to train on, where others are kept for validation.</summary>
    public const string Training = "train";

    /// <summary>Shards to validate on.</summary>
    public const string Validation = "validation";

    /// <summary>The tokenizer that was trained on the way.</summary>
    public const string Tokenizer = "tokenizer";
}
