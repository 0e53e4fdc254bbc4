using System.Runtime.ExceptionServices;
using static TorchSharp.torch;
using static TorchSharp.torch.autograd;

namespace KvShiftScale.Parallel.Autograd;

/// <summary>
/// Runs libtorch's engine over a graph that has our functions in it. An exception must not cross native code, where it would end the process: the
/// first one of a pass is kept, what is left of the pass computes nothing and exchanges nothing, and <see cref="Run(Tensor)"/> throws it where
/// the step called it. One pass belongs to the thread whose forward made the graph, whichever threads the engine uses.
/// </summary>
public sealed class BackwardPass
{
    private const string Key = "pass";

    [ThreadStatic]
    private static BackwardPass? Own;

    // What the last node on each thread has handed to the engine. The engine copies the handles after the node has returned, so that they may go
    // when the next node on that thread begins, or when the pass is over.
    private readonly ThreadLocal<List<Tensor>> _handedOut = new(() => [], trackAllValues: true);
    private ExceptionDispatchInfo? _failure;

    private BackwardPass()
    {
    }

    /// <summary>Differentiates a scalar.</summary>
    /// <exception cref="Exception">Whatever one of our functions threw, with its type and stack.</exception>
    public static void Run(Tensor scalar) => OfThisThread().Run(() => scalar.backward());

    /// <summary>Differentiates results whose gradients are known; those with none, null, are left out.</summary>
    /// <exception cref="Exception">Whatever one of our functions threw, with its type and stack.</exception>
    public static void Run(IReadOnlyList<Tensor> results, IReadOnlyList<Tensor?> gradients)
    {
        List<Tensor> reached = [.. results.Where((_, i) => gradients[i] is not null)];
        List<Tensor> known = [.. gradients.OfType<Tensor>()];
        OfThisThread().Run(() => backward(reached, known));
    }

    /// <summary>Prepares the forward of one of our functions.</summary>
    internal static void Enter(AutogradContext context, object[] arguments)
    {
        var pass = OfThisThread();
        // A backward that was not run through this class has failed unseen; here is the next place that can say so.
        pass.ThrowFailure();
        // Zeros for absent gradients would be made like an output, whose place-holder went with the scope that was open around forward.
        context.set_materialize_grads(false);
        context.save_data(Key, new Node(pass, Array.ConvertAll(arguments, argument => argument is Tensor { IsInvalid: false })));
    }

    /// <summary>The backward of one of our functions: never throws, and leaves no tensor behind.</summary>
    /// <param name="name">Of the function.</param>
    /// <param name="context">Of the node. What it has saved is released.</param>
    /// <param name="arriving">The gradients of its results as they come; invalid where there is none.</param>
    /// <param name="differentiate">
    /// The gradient of each argument of forward from those of the results; null where there is none. It runs in a dispose scope and without
    /// gradients, and not at all where no gradient arrives or the pass has failed.
    /// </param>
    internal static List<Tensor> RunNode(string name, AutogradContext context, List<Tensor> arriving,
        Func<AutogradContext, Tensor?[], List<Tensor?>> differentiate)
    {
        var node = (Node)context.get_data(Key);
        var results = node.Pass.Differentiate(name, node, context, arriving, differentiate);
        // The graph is used once: libtorch's own nodes let go of what they have saved here too.
        node.IsReleased = true;
        context.Dispose();
        // The engine takes null for no gradient, which the type does not say.
        return results!;
    }

    private List<Tensor?> Differentiate(string name, Node node, AutogradContext context, List<Tensor> arriving,
        Func<AutogradContext, Tensor?[], List<Tensor?>> differentiate)
    {
        var handedOut = _handedOut.Value!;
        Dispose(handedOut);
        try
        {
            using var scope = NewDisposeScope();
            // A thread of the engine has no scope that would own them, and the caller's would keep them to its end.
            Tensor?[] gradients = [.. arriving.Select(gradient => gradient.IsInvalid ? null : gradient)];
            scope.Attach(gradients.OfType<Tensor>());
            if (_failure is not null || Array.TrueForAll(gradients, gradient => gradient is null))
            {
                return node.NoGradients();
            }
            if (node.IsReleased)
            {
                throw new InvalidOperationException($"{name} is differentiated a second time; what it had saved is gone after the first");
            }

            var results = differentiate(context, gradients);
            node.Check(name, results);
            foreach (var result in results)
            {
                // By reference: Tensor.Equals compares elements.
                if (result is not null && !handedOut.Exists(other => ReferenceEquals(other, result)))
                {
                    handedOut.Add(result.DetachFromDisposeScope());
                }
            }
            return results;
        }
        catch (Exception exception)
        {
            Interlocked.CompareExchange(ref _failure, ExceptionDispatchInfo.Capture(exception), null);
            return node.NoGradients();
        }
    }

    private static BackwardPass OfThisThread() => Own ??= new BackwardPass();

    private static void Dispose(List<Tensor> tensors)
    {
        foreach (var tensor in tensors)
        {
            tensor.Dispose();
        }
        tensors.Clear();
    }

    private void Run(Action engine)
    {
        ThrowFailure();
        try
        {
            engine();
        }
        catch (Exception) when (_failure is not null)
        {
            // The engine's complaint is a consequence of the failure that comes next.
        }
        finally
        {
            foreach (var tensors in _handedOut.Values)
            {
                Dispose(tensors);
            }
        }
        ThrowFailure();
    }

    private void ThrowFailure() => Interlocked.Exchange(ref _failure, null)?.Throw();

    /// <summary>What is known of a node from its forward on.</summary>
    /// <param name="pass">Whose graph it belongs to.</param>
    /// <param name="isTensor">Of each argument of forward, whether it may have a gradient.</param>
    private sealed class Node(BackwardPass pass, bool[] isTensor)
    {
        public BackwardPass Pass => pass;

        public bool IsReleased { get; set; }

        public List<Tensor?> NoGradients() => [.. new Tensor?[isTensor.Length]];

        // The engine's own complaint would end the process.
        public void Check(string name, List<Tensor?> results)
        {
            if (results.Count != isTensor.Length)
            {
                throw new InvalidOperationException($"{name} returned {results.Count} gradients for {isTensor.Length} arguments of forward");
            }

            var wrong = Enumerable.Range(0, results.Count).FirstOrDefault(i => results[i] is not null && !isTensor[i], -1);
            if (wrong >= 0)
            {
                throw new InvalidOperationException($"{name} returned a gradient for argument {wrong} of forward, which is no tensor");
            }
        }
    }
}
