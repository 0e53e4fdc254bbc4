namespace Microsoft.ML.Tokenizers;

/// <summary>How to encode. Made by its constructor, both steps are on and nothing limits the number of tokens.</summary>
public struct EncodeSettings
{
    public EncodeSettings()
    {
        ConsiderPreTokenization = true;
        ConsiderNormalization = true;
        MaxTokenCount = int.MaxValue;
    }

    /// <summary>Apply the tokenizer's normalizer, if it has one.</summary>
    public bool ConsiderNormalization { get; set; }

    /// <summary>Split the text with the tokenizer's pre-tokenizer, if it has one. Special tokens are recognised only then.</summary>
    public bool ConsiderPreTokenization { get; set; }

    /// <summary>The most tokens to produce; at least 1.</summary>
    public int MaxTokenCount { get; set; }
}
