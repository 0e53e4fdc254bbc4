namespace KvShiftScale.Trainer.Commands;

/// <summary>What <c>--tokenizer</c> takes.</summary>
internal static class TokenizerOption
{
    public const string Description = "Tokenizer folder, tokenizer.json or .tiktoken file, or cl100k_base, o200k_base, r50k_base or gpt2.";
}
