using System.Text;
using KvShiftScale.Data.Tokenization.Training;

namespace KvShiftScale.Data.Tests.Tokenization;

/// <summary>Text to train on and random text to try.</summary>
internal static class SampleTexts
{
    /// <summary>Small, with repetition, several scripts, digits, code and odd white space; nothing above U+FFFF.</summary>
    public static readonly string[] Corpus =
    [
        "The shift adds the key of the previous token to the key of the current token, and the value likewise.\n",
        "They don't say what we'll see; it's what the others've said: the token of the token.\n\n",
        "for (var i = 0; i < 1024; i++)\n{\n    total += values[i] * 0.125;\n}\r\n",
        "Größe, naïve café — résumé; Größe naïve café.\tTab\t\ttab\n",
        "日本語のテキストと日本語のテスト。 日本語、テキスト。\n",
        "Привет, мир. Привет, токен и токены мира!\n",
        "aaaaaaa aaaa aaa aaaaaaaaaaaaa aa   aaa\n   \n",
        "<|endoftext|> is a name; <|endoftext|> is not a token here.",
    ];

    private static readonly string[] Fragments =
    [
        "a", "aa", "the", " token", "'s", "'ll", "'", "\n", "\n\n", "\r\n", " ", "  ", "\t", "0", "1024", "é", "e\u0301", "日本", "語", "мир",
        "😀", "👩\u200D👩\u200D👧", "🇩🇪", "\U0001D400", "\U00020000", "\u00A0", "\u2028", "\u3000", "\u0085", "\0", "\uFFFD", "<|endoftext|>",
        "½", "Ⅷ", "٣", "\U0001D7D8", "¿", "_", "--", "{}", "ǅ", "ʰ", "\u0301",
    ];

    public static TrainedBpe Trained { get; } = ByteLevelBpeTrainer.Train(Corpus, 350);

    /// <summary>Well-formed UTF-16: familiar fragments with random characters of all planes between them.</summary>
    public static string WellFormed(Random random, int partCount)
    {
        var text = new StringBuilder();
        for (var i = 0; i < partCount; i++)
        {
            text.Append(random.Next(4) > 0 ? Fragments[random.Next(Fragments.Length)] : RandomRune(random).ToString());
        }

        return text.ToString();
    }

    /// <summary>As <see cref="WellFormed"/>, without characters above U+FFFF, which .NET's expressions classify by halves.</summary>
    public static string WithinFirstPlane(Random random, int partCount)
        => string.Concat(WellFormed(random, partCount).Where(unit => !char.IsSurrogate(unit)));

    private static Rune RandomRune(Random random)
    {
        while (true)
        {
            var limit = random.Next(3) switch { 0 => 0x100, 1 => 0x10000, _ => 0x110000 };
            if (Rune.TryCreate(random.Next(limit), out var rune))
            {
                return rune;
            }
        }
    }
}
