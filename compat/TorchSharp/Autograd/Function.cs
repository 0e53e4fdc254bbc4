using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;

namespace TorchSharp;

public static partial class torch
{
    /// <summary>Differentiation.</summary>
    public static partial class autograd
    {
        /// <summary>Adds the gradients of the tensors' leaves, or of <paramref name="inputs"/> alone; a graph is kept where asked.</summary>
        public static unsafe void backward(IList<Tensor> tensors, IList<Tensor>? grad_tensors = null, bool? retain_graph = null,
            bool create_graph = false, IList<Tensor>? inputs = null)
        {
            var roots = Handles(tensors);
            var seeds = grad_tensors is null ? [] : Handles(grad_tensors);
            var leaves = inputs is null ? [] : Handles(inputs);
            int status;
            long thrown;
            fixed (nint* rootPointer = roots)
            fixed (nint* seedPointer = seeds)
            fixed (nint* leafPointer = leaves)
            {
                status = NativeMethods.ts_backward(rootPointer, roots.Length, seedPointer, seeds.Length, (retain_graph ?? create_graph) ? 1 : 0,
                    create_graph ? 1 : 0, leafPointer, leaves.Length, out thrown);
            }
            GC.KeepAlive(tensors);
            GC.KeepAlive(grad_tensors);
            GC.KeepAlive(inputs);
            if (thrown != 0)
            {
                var handle = GCHandle.FromIntPtr((nint)thrown);
                var exception = (Exception)handle.Target!;
                handle.Free();
                ExceptionDispatchInfo.Throw(exception);
            }
            NativeMethods.Check(status);
        }

        /// <summary>Common part of custom functions; one instance of each type serves all its applications.</summary>
        public abstract class Function<T> where T : Function<T>, new()
        {
            private static readonly T s_instance = new();

            public abstract string Name { get; }

            internal abstract List<Tensor> Forward(AutogradContext ctx, object[] vars);

            internal abstract List<Tensor> Backward(AutogradContext ctx, List<Tensor> gradients);

            public static unsafe List<Tensor> apply_internal(params object[] vars)
            {
                var context = new AutogradContext();
                var tracked = is_grad_enabled() && Array.Exists(vars, static argument => argument is Tensor { requires_grad: true });
                List<Tensor> outputs;
                using (no_grad()) outputs = s_instance.Forward(context, vars);
                if (!tracked) return outputs;

                var inputs = Array.FindAll(vars, static argument => argument is Tensor);
                var inputHandles = Array.ConvertAll(inputs, static argument => ((Tensor)argument).Handle);
                var outputHandles = Handles(outputs);
                var differentiable = outputs.ConvertAll(output => context.IsDifferentiable(output) ? 1 : 0).ToArray();
                var savedHandles = Handles(context.ToSave);
                var saved = context.ToSave;
                var owner = GCHandle.Alloc(new Application(context, s_instance, Array.ConvertAll(vars, static argument => argument is Tensor)));
                int status;
                fixed (nint* inputPointer = inputHandles)
                fixed (nint* outputPointer = outputHandles)
                fixed (int* differentiablePointer = differentiable)
                fixed (nint* savedPointer = savedHandles)
                {
                    status = NativeMethods.ts_function_attach(inputPointer, inputHandles.Length, outputPointer, differentiablePointer,
                        outputHandles.Length, savedPointer, savedHandles.Length, context.MaterializeGrads ? 1 : 0,
                        GCHandle.ToIntPtr(owner), &RunBackward, &ReleaseHandle);
                }
                GC.KeepAlive(vars);
                GC.KeepAlive(saved);
                if (status != 0) owner.Free();
                NativeMethods.Check(status);
                context.Attached();
                for (var i = 0; i < outputs.Count; i++)
                {
                    if (outputHandles[i] != outputs[i].Handle) outputs[i] = new Tensor(outputHandles[i]);
                }
                return outputs;
            }

            // Non-generic delegates of a generic type: the instance travels in the context.
            private sealed class Application(AutogradContext context, Function<T> function, bool[] isTensor) : IApplication
            {
                public AutogradContext Context => context;

                public bool[] IsTensor => isTensor;

                public List<Tensor> Backward(List<Tensor> gradients) => function.Backward(context, gradients);
            }
        }

        private interface IApplication
        {
            AutogradContext Context { get; }

            bool[] IsTensor { get; }

            List<Tensor> Backward(List<Tensor> gradients);
        }

        [UnmanagedCallersOnly]
        private static unsafe long RunBackward(long context, nint node, nint* gradients, int count, nint* results, int resultCount)
        {
            // Everything made here dies here; what is returned leaves as native handles of its own.
            using var scope = NewDisposeScope();
            try
            {
                var application = (IApplication)GCHandle.FromIntPtr((nint)context).Target!;
                var arguments = new List<Tensor>(count);
                for (var i = 0; i < count; i++) arguments.Add(new Tensor(gradients[i]));
                application.Context.Node = node;
                var answers = application.Backward(arguments);
                if (answers.Count != application.IsTensor.Length)
                {
                    throw new InvalidOperationException(
                        $"backward returned {answers.Count} gradients for {application.IsTensor.Length} arguments of forward");
                }
                var next = 0;
                for (var i = 0; i < answers.Count; i++)
                {
                    if (!application.IsTensor[i]) continue;
                    if (answers[i] is { } answer) NativeMethods.Check(NativeMethods.ts_share(answer.Handle, out results[next]));
                    next++;
                }
                return 0;
            }
            catch (Exception exception)
            {
                // Travels through libtorch's engine as a handle, to the caller of backward, which rethrows it.
                return GCHandle.ToIntPtr(GCHandle.Alloc(exception));
            }
        }

        [UnmanagedCallersOnly]
        private static void ReleaseHandle(long handle) => GCHandle.FromIntPtr((nint)handle).Free();

        /// <summary>A custom function with one output.</summary>
        public abstract class SingleTensorFunction<T> : Function<T> where T : SingleTensorFunction<T>, new()
        {
            public abstract Tensor forward(AutogradContext ctx, params object[] vars);

            /// <summary>One gradient for each argument of forward, null for those that are no tensors.</summary>
            public abstract List<Tensor> backward(AutogradContext ctx, Tensor grad_output);

            public static Tensor apply(params object[] vars) => apply_internal(vars)[0];

            internal override List<Tensor> Forward(AutogradContext ctx, object[] vars) => [forward(ctx, vars)];

            internal override List<Tensor> Backward(AutogradContext ctx, List<Tensor> gradients) => backward(ctx, gradients[0]);
        }

        /// <summary>A custom function with several outputs.</summary>
        public abstract class MultiTensorFunction<T> : Function<T> where T : MultiTensorFunction<T>, new()
        {
            public abstract List<Tensor> forward(AutogradContext ctx, params object[] vars);

            /// <summary>One gradient for each argument of forward, null for those that are no tensors.</summary>
            public abstract List<Tensor> backward(AutogradContext ctx, List<Tensor> grad_outputs);

            public static List<Tensor> apply(params object[] vars) => apply_internal(vars);

            internal override List<Tensor> Forward(AutogradContext ctx, object[] vars) => forward(ctx, vars);

            internal override List<Tensor> Backward(AutogradContext ctx, List<Tensor> gradients) => backward(ctx, gradients);
        }
    }
}
