namespace KvShiftScale.Data.Tokenization;

/// <summary>What the spelling of a special token in a text stands for.</summary>
public enum SpecialTokens
{
    /// <summary>Itself: a document that contains the words <c>&lt;|endoftext|&gt;</c> keeps them as text.</summary>
    AsText,

    /// <summary>The token: for prompts that are written with them.</summary>
    Recognized,
}
