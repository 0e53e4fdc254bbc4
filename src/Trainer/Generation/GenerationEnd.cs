namespace KvShiftScale.Trainer.Generation;

/// <summary>Why a generated text ends.</summary>
internal enum GenerationEnd
{
    /// <summary>The model gave an id that ends a text.</summary>
    EndOfText,

    /// <summary>The number of tokens asked for is reached.</summary>
    TokenLimit,

    /// <summary>The model's context is full. Positions beyond it were never trained, so nothing slides.</summary>
    Context,
}
