using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using KvShiftScale.Data.Tokenization.Splitting;
using KvShiftScale.Data.Tokenization.Splitting.Expressions;

namespace KvShiftScale.Data.Tests.Tokenization;

/// <summary>Split expressions against what Oniguruma makes of them, which files/expressions.mjs has stored; and those that are refused.</summary>
public sealed class ExpressionTests
{
    private static readonly JsonObject Stored = JsonNode.Parse(File.ReadAllText(StoredFile("expressions.json")))!.AsObject();

    private static readonly string[] Texts = [.. File.ReadLines(StoredFile("texts.jsonl")).Select(ReadText)];

    public static TheoryData<int> Cases => [.. Enumerable.Range(0, Stored["expressions"]!.AsArray().Count)];

    [Theory]
    [MemberData(nameof(Cases))]
    public void SplitsAsOniguruma(int number)
    {
        var stored = Stored["expressions"]![number]!;
        var expression = stored["expression"]!.GetValue<string>();
        var splitter = new RegexSplitter(expression, ExpressionDialect.Oniguruma);

        Assert.Equal(stored["pieces"]!.AsArray().Select(piece => piece!.GetValue<string>()), Split(splitter, stored["text"]!.GetValue<string>()));
        var digest = Digest(string.Join('\u0002', Texts.Select(text => string.Join('\u0001', Split(splitter, text)))));
        Assert.True(stored["digest"]!.GetValue<string>() == digest, $"{expression}: other pieces in texts.jsonl");
    }

    [Fact]
    public void KnowsTheSameGeneralCategories()
    {
        foreach (var (name, expected) in Stored["categories"]!.AsObject())
        {
            var members = CharacterSets.Property(name, ExpressionDialect.Oniguruma, inBrackets: false)!.Ranges()
                .SelectMany(range => Enumerable.Range(range.First, range.Last - range.First + 1)).ToArray();
            Assert.Equal((name, expected!.GetValue<string>()), (name, $"{members.Length} {Digest(string.Join(' ', members))}"));
        }
    }

    /// <summary>The message says which part, so each must contain a piece of the expression.</summary>
    [Theory]
    [InlineData(@"(a)\1", @"'\1' at character 4 is not known here")]
    [InlineData(@"(?<n>a)\k<n>", @"'\k' at character 8")]
    [InlineData(@"\X+", @"'\X'")]
    [InlineData(@"a\Kb", @"'\K'")]
    [InlineData(@"\Ga", @"'\G'")]
    [InlineData(@"\yab", @"'\y'")]
    [InlineData(@"\q", @"'\q'")]
    [InlineData(@"\012", @"'\0'")]
    [InlineData(@"\xe9", @"'\xe9' at character 1 is no character")]
    [InlineData(@"\x{110000}", "is no character")]
    [InlineData(@"\ud800", "is no character")]
    [InlineData(@"\pL", @"'\p' at character 1 is no property")]
    [InlineData(@"\p{Script=Han}", "is no property")]
    [InlineData(@"\p{InGreek}", "is no property")]
    [InlineData(@"[\p{Foo}]", @"'\p{Foo}' at character 2 is no property")]
    [InlineData("[[:foo:]]", "is no POSIX bracket")]
    [InlineData("[[:alpha]]", "is no POSIX bracket")]
    [InlineData("[a--]", "is a range without a character at its end")]
    [InlineData(@"[\w-x]", "is a set at the beginning of a range")]
    [InlineData(@"[a-\d]", "is no range")]
    [InlineData("[z-a]", "is no range")]
    [InlineData("[a&&]", "has nothing on one side")]
    [InlineData("[&&a]", "has nothing on one side")]
    [InlineData("[a-z", "has no closing bracket")]
    [InlineData("[]", "has no closing bracket")]
    [InlineData("(a", "has no closing parenthesis")]
    [InlineData("a)", "closes nothing")]
    [InlineData("*a", "repeats nothing")]
    [InlineData("a{", "is no repetition")]
    [InlineData("a{3,2}", "is no repetition")]
    [InlineData("a{1001}", "is no repetition")]
    [InlineData("a**", "is repeated twice")]
    [InlineData("a+?+", "is repeated twice")]
    [InlineData("^*a", "is a place, which cannot be repeated")]
    [InlineData("(?=a)?b", "is a place")]
    [InlineData(@"\b+", "is a place")]
    [InlineData("(?x) a b", "an option that is not known here")]
    [InlineData("(?s).", "an option that is not known here")]
    [InlineData("(?W:\\w+)", "an option that is not known here")]
    [InlineData("(?~a)", "not known here")]
    [InlineData("(?(1)a|b)", "not known here")]
    [InlineData("(?P<n>a)", "not known here")]
    [InlineData("(*FAIL)", "is a call-out")]
    [InlineData("(?i:st)", "where case is not regarded")]
    [InlineData("(?i:f(?:i))", "where case is not regarded")]
    [InlineData("(?i)\u00DF", "where case is not regarded")]
    [InlineData("(?i)[\u00DF]", "where case is not regarded")]
    [InlineData(@"(?i)\p{L}", "where case is not regarded")]
    [InlineData(@"(?i)[a-z&&[^k]]", "where case is not regarded")]
    [InlineData("(?<=a++)b", "within a lookbehind")]
    [InlineData("(?#a", "comment without an end")]
    public void RefusesWhatItCannotFollowExactly(string expression, string message)
    {
        var error = Assert.Throws<FormatException>(() => new RegexSplitter(expression, ExpressionDialect.Oniguruma));

        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void RefusesNestingWithoutEnd()
    {
        foreach (var expression in (string[])[string.Concat(Enumerable.Repeat("(?:", 100_000)), new string('[', 100_000)])
        {
            var error = Assert.Throws<FormatException>(() => new RegexSplitter(expression, ExpressionDialect.Oniguruma));
            Assert.Contains("nested more than", error.Message, StringComparison.Ordinal);
        }
    }

    /// <summary>Rust's expressions, those of tiktoken, where they are not Oniguruma's.</summary>
    [Theory]
    [InlineData(@"\p{N}{1,3}+", "1234567", "123|456|7")]
    [InlineData(@"a$", "a\na", "a\n|a")]
    [InlineData(@"^a", "a\na", "a|\na")]
    [InlineData(@"[[:alpha:]]+", "abé", "ab|é")]
    [InlineData(@"[a-z--[aeiou]]+", "abcde", "a|bcd|e")]
    [InlineData(@"[a-d~~c-f]+", "abcdef", "ab|cd|ef")]
    [InlineData(@"[a-z&&[^aeiou]]+", "abcde", "a|bcd|e")]
    [InlineData(@"(?s).+", "a\nb", "a\nb")]
    [InlineData(@"a(?i)b|c", "aBC", "aB|C")]
    [InlineData(@"(?i:st)", "xST", "x|ST")]
    [InlineData(@"\pL+", "ab1", "ab|1")]
    [InlineData(@"\p{Script=Han}+", "a漢字", "a|漢字")]
    [InlineData(@"\p{gc=Nd}+", "a1²", "a|1|²")]
    [InlineData(@"\w+", "a\u200d1²", "a\u200d1|²")]
    [InlineData(@"\u{41}", "ABA", "A|B|A")]
    public void FollowsRust(string expression, string text, string pieces)
        => Assert.Equal(pieces.Split('|'), Split(new RegexSplitter(expression, ExpressionDialect.Rust), text));

    /// <summary>cl100k's as newer releases of tiktoken spell it: blanks with a line end at the end of a text stay together.</summary>
    [Fact]
    public void FollowsThePossessiveFormOfCl100k()
    {
        const string Newer = @"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s";
        var newer = new RegexSplitter(Newer, ExpressionDialect.Rust);

        Assert.True(SplitExpressions.TryFind(SplitExpressions.Cl100k, out var scanner, out _));
        Assert.Equal(["a", "\n "], Split(newer, "a\n "));
        foreach (var text in Texts.Where(text => !text.TrimEnd().Equals(text, StringComparison.Ordinal)).Select(text => text + "x"))
        {
            Assert.Equal(Split(scanner, text), Split(newer, text));
        }
    }

    private static List<string> Split(PieceSplitter splitter, string text)
    {
        var utf8 = Encoding.UTF8.GetBytes(text);
        var ends = new List<int>();
        splitter.Split(utf8, ends, 0);
        return [.. ends.Select((end, i) => Encoding.UTF8.GetString(utf8[(i == 0 ? 0 : ends[i - 1])..end]))];
    }

    private static string Digest(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)).AsSpan(0, 8));

    private static string StoredFile(string name) => Path.Combine(AppContext.BaseDirectory, "Tokenization", "files", name);

    private static string ReadText(string line)
    {
        var node = JsonNode.Parse(line)!;
        return node.GetValueKind() == System.Text.Json.JsonValueKind.String
            ? node.GetValue<string>()
            : Encoding.UTF8.GetString(Convert.FromBase64String(node["base64"]!.GetValue<string>()));
    }
}
