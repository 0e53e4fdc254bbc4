using System.Text.RegularExpressions;

namespace KvShiftScale.Core.Text;

/// <summary>
/// What is secret in an address: user and password before an @, the values of a query, and what follows a #. It is replaced by
/// <see cref="Mask"/> wherever an address is printed or written; only a collector is sent it.
/// </summary>
public static partial class AddressSecrets
{
    /// <summary>What stands for a secret.</summary>
    public const string Mask = "***";

    /// <summary>
    /// An address without its secrets. Also one that is none: then everything between :// and the last @ may be a password.
    /// </summary>
    public static string MaskAddress(string address)
    {
        var start = address.IndexOf("://", StringComparison.Ordinal);
        if (start < 0)
        {
            return address;
        }

        start += 3;
        var (head, rest) = (address[..start], address[start..]);
        if (EndOfUser(address, rest) is var at and > 0)
        {
            (head, rest) = (head + Mask, rest[at..]);
        }

        var fragment = rest.IndexOf('#', StringComparison.Ordinal);
        var tail = fragment >= 0 && fragment < rest.Length - 1 ? $"#{Mask}" : "";
        rest = fragment >= 0 ? rest[..fragment] : rest;
        var query = rest.IndexOf('?', StringComparison.Ordinal);
        return query < 0 ? head + rest + tail
            : $"{head}{rest[..query]}?{string.Join('&', rest[(query + 1)..].Split('&').Select(MaskParameter))}{tail}";
    }

    /// <summary>Text of any kind, with the secrets of the addresses in it masked.</summary>
    public static string MaskText(string text)
        => text.Contains("://", StringComparison.Ordinal) ? Address().Replace(text, match => MaskAddress(match.Value)) : text;

    /// <summary>
    /// A value of the configuration as a message shows it: that of a key or option which names a secret not at all, any other without the
    /// secrets of addresses.
    /// </summary>
    /// <param name="key">The key, such as <c>telemetry.otlp_endpoint</c>, or a variable.</param>
    /// <param name="value">The value as written.</param>
    public static string MaskValue(string key, string value)
        => SecretName().IsMatch(key) ? Mask
            : value.Contains("://", StringComparison.Ordinal) ? MaskWhole(value)
            // An address whose scheme was forgotten.
            : key.EndsWith("endpoint", StringComparison.OrdinalIgnoreCase) && value.Contains('@', StringComparison.Ordinal)
                ? MaskAddress("://" + value)[3..] : value;

    /// <summary>
    /// Where a value of the configuration comes from: a place in a file, or <c>--set key=value</c>, whose value is masked as
    /// <see cref="MaskValue"/> does.
    /// </summary>
    public static string MaskPosition(string key, string position)
        => position.StartsWith("--set ", StringComparison.Ordinal) && position.IndexOf('=', StringComparison.Ordinal) is var equals and > 0
            ? $"{position[..equals]}={MaskValue(key, position[(equals + 1)..])}"
            : MaskText(position);

    /// <summary>Whether <see cref="MaskAddress"/> has been there: what was secret is not in this address.</summary>
    public static bool IsMasked(string address)
        => address.Contains($"://{Mask}@", StringComparison.Ordinal) || HasMaskedQuery(address);

    /// <summary>Whether a value of the query has been masked.</summary>
    public static bool HasMaskedQuery(string address)
        => address.IndexOf('?', StringComparison.Ordinal) is var query and >= 0
            && address[(query + 1)..].Split('&', '#').Any(parameter => parameter == Mask || parameter.EndsWith("=" + Mask, StringComparison.Ordinal));

    // A value is one thing, so a blank in it ends no address.
    private static string MaskWhole(string value)
    {
        var at = value.IndexOf("://", StringComparison.Ordinal);
        var start = at;
        while (start > 0 && (char.IsAsciiLetterOrDigit(value[start - 1]) || value[start - 1] is '+' or '-' or '.'))
        {
            start--;
        }

        return value[..start] + MaskText(MaskAddress(value[start..]));
    }

    // Offset of the @, or 0 where there is no user. A password with a slash makes an address that is none, and shows all of it but for
    // this.
    private static int EndOfUser(string address, string rest)
    {
        var authority = rest.IndexOfAny(['/', '?', '#']) is var end and >= 0 ? end : rest.Length;
        var at = rest.LastIndexOf('@', Math.Max(0, authority - 1));
        return at >= 0 || Uri.TryCreate(address, UriKind.Absolute, out _) ? Math.Max(0, at) : Math.Max(0, rest.LastIndexOf('@'));
    }

    private static string MaskParameter(string parameter)
        => parameter.Length == 0 ? "" : parameter.IndexOf('=', StringComparison.Ordinal) is var equals and >= 0 ? $"{parameter[..(equals + 1)]}{Mask}" : Mask;

    [GeneratedRegex("""[A-Za-z][A-Za-z0-9+.\-]*://[^\s'"<>]+""")]
    private static partial Regex Address();

    [GeneratedRegex("""(?:^|[._\s-])(?:headers?|token|secret|password|passwd|api_?key|credentials?|authorization)(?:$|[._\s-])""", RegexOptions.IgnoreCase)]
    private static partial Regex SecretName();
}
