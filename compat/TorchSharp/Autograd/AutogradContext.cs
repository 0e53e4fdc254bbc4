namespace TorchSharp;

public static partial class torch
{
    public static partial class autograd
    {
        /// <summary>What a custom function's forward leaves for its backward.</summary>
        public class AutogradContext : IDisposable
        {
            private readonly Dictionary<string, object> _data = [];
            private readonly List<Tensor> _nonDifferentiable = [];
            private List<Tensor> _toSave = [];

            internal AutogradContext()
            {
            }

            public bool MaterializeGrads { get; private set; } = true;

            /// <summary>The node that holds the saved tensors, while its backward runs.</summary>
            internal nint Node { get; set; }

            internal List<Tensor> ToSave => _toSave;

            public void save_for_backward(List<Tensor> tensors) => _toSave = tensors;

            /// <summary>The saved tensors as new handles.</summary>
            public List<Tensor> get_saved_variables()
            {
                if (Node == 0) throw new InvalidOperationException("saved tensors are available inside backward only");
                var count = NativeMethods.ts_function_saved_count(Node);
                var tensors = new List<Tensor>(count);
                for (var i = 0; i < count; i++)
                {
                    NativeMethods.Check(NativeMethods.ts_function_saved(Node, i, out var handle));
                    tensors.Add(new Tensor(handle));
                }
                return tensors;
            }

            public void save_data(string key, object value) => _data[key] = value;

            public object get_data(string key) => _data[key];

            public void mark_non_differentiable(List<Tensor> tensors) => _nonDifferentiable.AddRange(tensors);

            public void set_materialize_grads(bool value) => MaterializeGrads = value;

            public void Dispose()
            {
                Dispose(true);
                GC.SuppressFinalize(this);
            }

            protected virtual void Dispose(bool disposing) => _data.Clear();

            internal bool IsDifferentiable(Tensor output) => !_nonDifferentiable.Contains(output);

            /// <summary>Forgets the managed handles once the node has its own.</summary>
            internal void Attached()
            {
                _toSave = [];
                _nonDifferentiable.Clear();
            }
        }
    }
}
