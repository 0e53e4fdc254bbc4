namespace TorchSharp;

public static partial class torch
{
    public static partial class nn
    {
        /// <summary>How a loss over many elements becomes one number.</summary>
        public enum Reduction : long
        {
            None = 0,
            Mean = 1,
            Sum = 2,
        }

        /// <summary>Operations without state.</summary>
        public static class functional
        {
            public static Tensor linear(Tensor input, Tensor weights, Tensor? bias = null)
            {
                var status = NativeMethods.ts_linear(input.Handle, weights.Handle, bias?.Handle ?? 0, out var result);
                GC.KeepAlive(bias);
                return Tensor.Of(status, result, input, weights);
            }

            public static Tensor softmax(Tensor input, long dim, ScalarType? dtype = null) => input.softmax(dim, dtype);

            public static Tensor cross_entropy(Tensor input, Tensor target, Tensor? weight = null, long ignore_index = -100, Reduction reduction = Reduction.Mean, double label_smoothing = 0.0)
            {
                var status = NativeMethods.ts_cross_entropy(input.Handle, target.Handle, weight?.Handle ?? 0, ignore_index, (long)reduction, label_smoothing, out var result);
                GC.KeepAlive(weight);
                return Tensor.Of(status, result, input, target);
            }

            public static Tensor scaled_dot_product_attention(Tensor query, Tensor key, Tensor value, Tensor? attn_mask = null, double p = 0.0, bool is_casual = false)
            {
                var status = NativeMethods.ts_scaled_dot_product_attention(query.Handle, key.Handle, value.Handle, attn_mask?.Handle ?? 0, p, is_casual ? 1 : 0, out var result);
                GC.KeepAlive(attn_mask);
                GC.KeepAlive(value);
                return Tensor.Of(status, result, query, key);
            }
        }
    }
}
