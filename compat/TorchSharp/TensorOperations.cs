namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        public static Tensor operator +(Tensor left, Tensor right) => Of(NativeMethods.ts_add(left.Handle, right.Handle, out var result), result, left, right);
        public static Tensor operator -(Tensor left, Tensor right) => Of(NativeMethods.ts_sub(left.Handle, right.Handle, out var result), result, left, right);
        public static Tensor operator *(Tensor left, Tensor right) => Of(NativeMethods.ts_mul(left.Handle, right.Handle, out var result), result, left, right);
        public static Tensor operator /(Tensor left, Tensor right) => Of(NativeMethods.ts_div(left.Handle, right.Handle, out var result), result, left, right);
        public static Tensor operator &(Tensor left, Tensor right) => Of(NativeMethods.ts_bitwise_and(left.Handle, right.Handle, out var result), result, left, right);
        public static Tensor operator +(Tensor left, Scalar right) => Of(NativeMethods.ts_add_scalar(left.Handle, right.Kind, right.Integral, right.Floating, out var result), result, left);
        public static Tensor operator -(Tensor left, Scalar right) => Of(NativeMethods.ts_sub_scalar(left.Handle, right.Kind, right.Integral, right.Floating, out var result), result, left);
        public static Tensor operator *(Tensor left, Scalar right) => Of(NativeMethods.ts_mul_scalar(left.Handle, right.Kind, right.Integral, right.Floating, out var result), result, left);
        public static Tensor operator /(Tensor left, Scalar right) => Of(NativeMethods.ts_div_scalar(left.Handle, right.Kind, right.Integral, right.Floating, out var result), result, left);
        public static Tensor operator -(Tensor tensor) => Of(NativeMethods.ts_neg(tensor.Handle, out var result), result, tensor);

        public Tensor alias() => Of(NativeMethods.ts_alias(Handle, out var result), result, this);
        public Tensor detach() => Of(NativeMethods.ts_detach(Handle, out var result), result, this);
        public Tensor clone() => Of(NativeMethods.ts_clone(Handle, out var result), result, this);
        public Tensor contiguous() => Of(NativeMethods.ts_contiguous(Handle, out var result), result, this);
        public Tensor t() => Of(NativeMethods.ts_t(Handle, out var result), result, this);
        public Tensor exp() => Of(NativeMethods.ts_exp(Handle, out var result), result, this);
        public Tensor log() => Of(NativeMethods.ts_log(Handle, out var result), result, this);
        public Tensor sqrt() => Of(NativeMethods.ts_sqrt(Handle, out var result), result, this);
        public Tensor rsqrt() => Of(NativeMethods.ts_rsqrt(Handle, out var result), result, this);
        public Tensor cos() => Of(NativeMethods.ts_cos(Handle, out var result), result, this);
        public Tensor sin() => Of(NativeMethods.ts_sin(Handle, out var result), result, this);
        public Tensor abs() => Of(NativeMethods.ts_abs(Handle, out var result), result, this);
        public Tensor sigmoid() => Of(NativeMethods.ts_sigmoid(Handle, out var result), result, this);
        public Tensor silu() => Of(NativeMethods.ts_silu(Handle, out var result), result, this);
        public Tensor max() => Of(NativeMethods.ts_max(Handle, out var result), result, this);
        public Tensor isfinite() => Of(NativeMethods.ts_isfinite(Handle, out var result), result, this);
        public Tensor all() => Of(NativeMethods.ts_all(Handle, out var result), result, this);
        public Tensor pow(Scalar exponent) => Of(NativeMethods.ts_pow_scalar(Handle, exponent.Kind, exponent.Integral, exponent.Floating, out var result), result, this);
        public Tensor matmul(Tensor target) => Of(NativeMethods.ts_matmul(Handle, target.Handle, out var result), result, this, target);
        public Tensor mm(Tensor target) => Of(NativeMethods.ts_mm(Handle, target.Handle, out var result), result, this, target);
        public Tensor lt(Tensor target) => Of(NativeMethods.ts_less(Handle, target.Handle, out var result), result, this, target);
        public Tensor le(Tensor target) => Of(NativeMethods.ts_less_equal(Handle, target.Handle, out var result), result, this, target);
        public Tensor eq(Tensor target) => Of(NativeMethods.ts_equal(Handle, target.Handle, out var result), result, this, target);
        public Tensor eq(Scalar target) => Of(NativeMethods.ts_equal_scalar(Handle, target.Kind, target.Integral, target.Floating, out var result), result, this);
        public Tensor gt(Scalar target) => Of(NativeMethods.ts_greater_scalar(Handle, target.Kind, target.Integral, target.Floating, out var result), result, this);
        public Tensor masked_fill(Tensor mask, Scalar value) => Of(NativeMethods.ts_masked_fill(Handle, mask.Handle, value.Kind, value.Integral, value.Floating, out var result), result, this, mask);

        public Tensor zero_() => Same(NativeMethods.ts_zero_(Handle));
        public Tensor fill_(Scalar value) => Same(NativeMethods.ts_fill_(Handle, value.Kind, value.Integral, value.Floating));
        public Tensor mul_(Scalar target) => Same(NativeMethods.ts_mul_scalar_(Handle, target.Kind, target.Integral, target.Floating));
        public Tensor add_(Tensor target) => add_(target, 1);
        public Tensor add_(Tensor target, Scalar alpha) => Same(NativeMethods.ts_add_(Handle, target.Handle, alpha.Kind, alpha.Integral, alpha.Floating), target);
        public Tensor copy_(Tensor source, bool nonBlocking = false) => Same(NativeMethods.ts_copy_(Handle, source.Handle, nonBlocking ? 1 : 0), source);
        public Tensor addmm_(Tensor mat1, Tensor mat2, float beta = 1, float alpha = 1) => Same(NativeMethods.ts_addmm_(Handle, mat1.Handle, mat2.Handle, beta, alpha), mat1, mat2);
        public Tensor index_add_(long dim, Tensor index, Tensor source, Scalar alpha) => Same(NativeMethods.ts_index_add_(Handle, dim, index.Handle, source.Handle, alpha.Kind, alpha.Integral, alpha.Floating), index, source);
        public Tensor scatter_(long dim, Tensor index, Tensor src) => Same(NativeMethods.ts_scatter_(Handle, dim, index.Handle, src.Handle), index, src);

        public unsafe Tensor view(params long[] shape)
        {
            fixed (long* pointer = shape) return Of(NativeMethods.ts_view(Handle, pointer, shape.Length, out var result), result, this);
        }

        public unsafe Tensor reshape(params long[] shape)
        {
            fixed (long* pointer = shape) return Of(NativeMethods.ts_reshape(Handle, pointer, shape.Length, out var result), result, this);
        }

        public unsafe Tensor expand(params long[] sizes)
        {
            fixed (long* pointer = sizes) return Of(NativeMethods.ts_expand(Handle, pointer, sizes.Length, 0, out var result), result, this);
        }

        public Tensor transpose(long dim0, long dim1) => Of(NativeMethods.ts_transpose(Handle, dim0, dim1, out var result), result, this);
        public Tensor narrow(long dim, long start, long length) => Of(NativeMethods.ts_narrow(Handle, dim, start, length, out var result), result, this);
        public Tensor select(long dim, long index) => Of(NativeMethods.ts_select(Handle, dim, index, out var result), result, this);
        public Tensor unsqueeze(long dim) => Of(NativeMethods.ts_unsqueeze(Handle, dim, out var result), result, this);
        public Tensor index_select(long dim, Tensor index) => Of(NativeMethods.ts_index_select(Handle, dim, index.Handle, out var result), result, this, index);
        public Tensor gather(long dim, Tensor index) => Of(NativeMethods.ts_gather(Handle, dim, index.Handle, out var result), result, this, index);

        public Tensor sum(ScalarType? type = null) => Of(NativeMethods.ts_sum(Handle, Number(type), out var result), result, this);

        public unsafe Tensor sum(long dim, bool keepdim = false, ScalarType? type = null)
            => Of(NativeMethods.ts_sum_dims(Handle, &dim, 1, keepdim ? 1 : 0, Number(type), out var result), result, this);

        public unsafe Tensor mean(long[] dimensions, bool keepdim = false, ScalarType? type = null)
        {
            fixed (long* pointer = dimensions)
                return Of(NativeMethods.ts_mean_dims(Handle, pointer, dimensions.Length, keepdim ? 1 : 0, Number(type), out var result), result, this);
        }

        public Tensor argmax(long dim, bool keepdim = false) => Of(NativeMethods.ts_argmax(Handle, dim, keepdim ? 1 : 0, out var result), result, this);
        public Tensor cumsum(long dim, ScalarType? type = null) => Of(NativeMethods.ts_cumsum(Handle, dim, Number(type), out var result), result, this);

        public (Tensor Values, Tensor Indices) sort(long dim = -1, bool descending = false, bool stable = false)
        {
            NativeMethods.Check(NativeMethods.ts_sort(Handle, dim, descending ? 1 : 0, stable ? 1 : 0, out var values, out var indices));
            GC.KeepAlive(this);
            return (new Tensor(values), new Tensor(indices));
        }

        public Tensor multinomial(long num_samples, bool replacement = false, Generator? generator = null)
        {
            var status = NativeMethods.ts_multinomial(Handle, num_samples, replacement ? 1 : 0, generator?.Handle ?? 0, out var result);
            GC.KeepAlive(generator);
            return Of(status, result, this);
        }

        public Tensor to(ScalarType type, Device device, bool copy = false, bool disposeAfter = false, bool non_blocking = false)
            => Converted((int)type, (int)device.type, device.index, copy, disposeAfter, non_blocking);

        public Tensor to(ScalarType type, bool copy = false, bool disposeAfter = false, bool non_blocking = false)
            => Converted((int)type, -1, -1, copy, disposeAfter, non_blocking);

        public Tensor to(Device device, bool copy = false, bool disposeAfter = false, bool non_blocking = false)
            => Converted(-1, (int)device.type, device.index, copy, disposeAfter, non_blocking);

        public Tensor cpu() => to(CPU);

        public Tensor softmax(long dim, ScalarType? dtype = null) => Of(NativeMethods.ts_softmax(Handle, dim, Number(dtype), out var result), result, this);
        public Tensor log_softmax(long dim, ScalarType? dtype = null) => Of(NativeMethods.ts_log_softmax(Handle, dim, Number(dtype), out var result), result, this);

        private Tensor Converted(int dtype, int deviceType, int deviceIndex, bool copy, bool disposeAfter, bool nonBlocking)
        {
            var converted = Of(NativeMethods.ts_to(Handle, dtype, deviceType, deviceIndex, copy ? 1 : 0, nonBlocking ? 1 : 0, out var result), result, this);
            if (disposeAfter) Dispose();
            return converted;
        }

        private static int Number(ScalarType? type) => type is { } given ? (int)given : -1;

        /// <summary>Wraps a result; the arguments are named so that no finalizer runs before the native call has returned.</summary>
        internal static Tensor Of(int status, nint result, Tensor first, Tensor? second = null)
        {
            NativeMethods.Check(status);
            GC.KeepAlive(first);
            GC.KeepAlive(second);
            return new Tensor(result);
        }

        private Tensor Same(int status, Tensor? first = null, Tensor? second = null)
        {
            NativeMethods.Check(status);
            GC.KeepAlive(first);
            GC.KeepAlive(second);
            GC.KeepAlive(this);
            return this;
        }
    }
}
