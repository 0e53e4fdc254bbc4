namespace KvShiftScale.Data.Tokenization.Normalization;

/// <summary>Unicode's normalization form C.</summary>
/// <remarks>
/// .NET leaves text as it is where it runs without ICU, as this program does. So the form is made here, from what <c>canonical.py</c> has
/// packed of the character database: as of Unicode 9, which is what Hugging Face's library normalizes by.
/// </remarks>
internal sealed record ComposeStep : NormalizationStep
{
    public override string Apply(string text) => CanonicalForm.Compose(text);

    public override string ToString() => "NFC";
}
