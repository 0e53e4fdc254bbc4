namespace TorchSharp;

/// <summary>The chain of dispose scopes of each thread, and what became of the tensors made on it.</summary>
public class DisposeScopeManager
{
    [ThreadStatic] private static DisposeScope? t_current;
    [ThreadStatic] private static ThreadDisposeScopeStatistics? t_statistics;

    public static ThreadDisposeScopeStatistics Statistics => t_statistics ??= new ThreadDisposeScopeStatistics();

    internal static DisposeScope Open() => t_current = new DisposeScope(t_current);

    internal static void Close(DisposeScope scope)
    {
        // Scopes that an exception left open inside this one end with it.
        for (var open = t_current; open is not null; open = open.Outer)
        {
            if (open != scope) continue;
            t_current = scope.Outer;
            return;
        }
    }

    internal static void Register(torch.Tensor tensor)
    {
        if (t_current is { } scope)
        {
            scope.Hold(tensor);
            Statistics.CreatedInScopeCount++;
        }
        else
        {
            Statistics.CreatedOutsideScopeCount++;
        }
    }

    internal static void CountDetach() => Statistics.DetachedFromScopeCount++;

    internal static void CountDisposal(bool inScope)
    {
        if (inScope) Statistics.DisposedInScopeCount++;
        else Statistics.DisposedOutsideScopeCount++;
    }

    internal static void CountScopeDisposal()
    {
        // The tensor's own disposal counts as one outside a scope; this one was the scope's.
        Statistics.DisposedInScopeCount++;
        Statistics.DisposedOutsideScopeCount--;
    }
}
