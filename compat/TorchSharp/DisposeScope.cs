namespace TorchSharp;

/// <summary>Disposes what was created while it was the innermost scope of its thread, unless it was moved out by name.</summary>
public sealed class DisposeScope : IDisposable
{
    private readonly HashSet<torch.Tensor> _tensors = new(ReferenceEqualityComparer.Instance);
    private bool _disposed;

    internal DisposeScope(DisposeScope? outer) => Outer = outer;

    internal DisposeScope? Outer { get; }

    public int DisposablesCount => _tensors.Count;

    /// <summary>Takes it out of every scope: the caller disposes it.</summary>
    public T Detach<T>(T disposable) where T : IDisposable
    {
        if (disposable is torch.Tensor tensor && Forget(tensor)) DisposeScopeManager.CountDetach();
        return disposable;
    }

    public T MoveToOuter<T>(T disposable) where T : IDisposable
    {
        if (disposable is not torch.Tensor tensor || !Forget(tensor)) return disposable;
        if (Outer is null) DisposeScopeManager.CountDetach();
        else Outer.Hold(tensor);
        return disposable;
    }

    public void Dispose()
    {
        if (_disposed) return;
        _disposed = true;
        DisposeScopeManager.Close(this);
        foreach (var tensor in _tensors)
        {
            tensor.OwningScope = null;
            DisposeScopeManager.CountScopeDisposal();
            tensor.Dispose();
        }
        _tensors.Clear();
    }

    internal void Hold(torch.Tensor tensor)
    {
        _tensors.Add(tensor);
        tensor.OwningScope = this;
    }

    internal bool Forget(torch.Tensor tensor)
    {
        tensor.OwningScope = null;
        return _tensors.Remove(tensor);
    }
}
