namespace KvShiftScale.RankProgram;

/// <summary>Assertions of a rank; the test framework is in another process.</summary>
internal static class Expect
{
    public static void Equal<T>(T wanted, T found, string what)
    {
        if (!EqualityComparer<T>.Default.Equals(wanted, found))
        {
            throw new ExpectationException($"{what}: found {found}, wanted {wanted}");
        }
    }

    public static void Elements(ReadOnlySpan<double> wanted, ReadOnlySpan<double> found, string what)
    {
        Equal(wanted.Length, found.Length, what + ", length");
        for (var i = 0; i < wanted.Length; i++)
        {
            // Texts for the failure alone: there are buffers of many elements.
            if (wanted[i] != found[i])
            {
                Equal(wanted[i], found[i], $"{what}, element {i}");
            }
        }
    }

    public static TException Throws<TException>(Action action, string what)
        where TException : Exception
    {
        try
        {
            action();
        }
        catch (TException exception)
        {
            return exception;
        }

        throw new ExpectationException($"{what}: no {typeof(TException).Name}");
    }
}
