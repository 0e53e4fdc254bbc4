using System.Runtime.InteropServices;

namespace TorchSharp;

/// <summary>libLibTorchSharp: one declaration for each function of compat/TorchSharp/native.</summary>
internal static unsafe partial class NativeMethods
{
    private const string Library = "LibTorchSharp";

    [LibraryImport(Library)] private static partial byte* ts_last_error();

    // Creation.
    [LibraryImport(Library)] internal static partial int ts_empty(long* shape, int rank, int dtype, int deviceType, int deviceIndex, int requiresGrad, out nint result);
    [LibraryImport(Library)] internal static partial int ts_full(long* shape, int rank, double value, int dtype, int deviceType, int deviceIndex, int requiresGrad, out nint result);
    [LibraryImport(Library)] internal static partial int ts_arange(int kind, long startI, double startF, long stopI, double stopF, long stepI, double stepF, int dtype, int deviceType, int deviceIndex, out nint result);
    [LibraryImport(Library)] internal static partial int ts_randn(long* shape, int rank, nint generator, int dtype, int deviceType, int deviceIndex, out nint result);
    [LibraryImport(Library)] internal static partial int ts_from_blob(void* data, long* shape, int rank, int dtype, long context, delegate* unmanaged<long, void> release, out nint result);
    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)] internal static partial int ts_from_file(string filename, int shared, long size, int dtype, int deviceType, int deviceIndex, out nint result);

    // Identity and memory.
    [LibraryImport(Library)] internal static partial void ts_delete(nint tensor);
    [LibraryImport(Library)] internal static partial int ts_share(nint tensor, out nint result);
    [LibraryImport(Library)] internal static partial int ts_rank(nint tensor);
    [LibraryImport(Library)] internal static partial int ts_shape(nint tensor, long* shape);
    [LibraryImport(Library)] internal static partial int ts_stride(nint tensor, long* stride);
    [LibraryImport(Library)] internal static partial long ts_numel(nint tensor);
    [LibraryImport(Library)] internal static partial int ts_dtype(nint tensor);
    [LibraryImport(Library)] internal static partial int ts_device_type(nint tensor);
    [LibraryImport(Library)] internal static partial int ts_device_index(nint tensor);
    [LibraryImport(Library)] internal static partial int ts_element_size(nint tensor);
    [LibraryImport(Library)] internal static partial int ts_is_contiguous(nint tensor);
    [LibraryImport(Library)] internal static partial long ts_storage_offset(nint tensor);
    [LibraryImport(Library)] internal static partial int ts_data_ptr(nint tensor, out nint data);
    [LibraryImport(Library)] internal static partial int ts_storage_data_ptr(nint tensor, out nint data, out long byteCount);

    // One tensor in, one out.
    [LibraryImport(Library)] internal static partial int ts_alias(nint tensor, out nint result);
    [LibraryImport(Library)] internal static partial int ts_detach(nint tensor, out nint result);
    [LibraryImport(Library)] internal static partial int ts_clone(nint tensor, out nint result);
    [LibraryImport(Library)] internal static partial int ts_contiguous(nint tensor, out nint result);
    [LibraryImport(Library)] internal static partial int ts_t(nint tensor, out nint result);
    [LibraryImport(Library)] internal static partial int ts_neg(nint tensor, out nint result);
    [LibraryImport(Library)] internal static partial int ts_exp(nint tensor, out nint result);
    [LibraryImport(Library)] internal static partial int ts_log(nint tensor, out nint result);
    [LibraryImport(Library)] internal static partial int ts_sqrt(nint tensor, out nint result);
    [LibraryImport(Library)] internal static partial int ts_rsqrt(nint tensor, out nint result);
    [LibraryImport(Library)] internal static partial int ts_cos(nint tensor, out nint result);
    [LibraryImport(Library)] internal static partial int ts_sin(nint tensor, out nint result);
    [LibraryImport(Library)] internal static partial int ts_abs(nint tensor, out nint result);
    [LibraryImport(Library)] internal static partial int ts_sigmoid(nint tensor, out nint result);
    [LibraryImport(Library)] internal static partial int ts_silu(nint tensor, out nint result);
    [LibraryImport(Library)] internal static partial int ts_max(nint tensor, out nint result);
    [LibraryImport(Library)] internal static partial int ts_isfinite(nint tensor, out nint result);
    [LibraryImport(Library)] internal static partial int ts_all(nint tensor, out nint result);

    // Two tensors in, one out.
    [LibraryImport(Library)] internal static partial int ts_add(nint left, nint right, out nint result);
    [LibraryImport(Library)] internal static partial int ts_sub(nint left, nint right, out nint result);
    [LibraryImport(Library)] internal static partial int ts_mul(nint left, nint right, out nint result);
    [LibraryImport(Library)] internal static partial int ts_div(nint left, nint right, out nint result);
    [LibraryImport(Library)] internal static partial int ts_matmul(nint left, nint right, out nint result);
    [LibraryImport(Library)] internal static partial int ts_mm(nint left, nint right, out nint result);
    [LibraryImport(Library)] internal static partial int ts_less(nint left, nint right, out nint result);
    [LibraryImport(Library)] internal static partial int ts_less_equal(nint left, nint right, out nint result);
    [LibraryImport(Library)] internal static partial int ts_equal(nint left, nint right, out nint result);
    [LibraryImport(Library)] internal static partial int ts_bitwise_and(nint left, nint right, out nint result);

    // A tensor and a number.
    [LibraryImport(Library)] internal static partial int ts_add_scalar(nint tensor, int kind, long integral, double floating, out nint result);
    [LibraryImport(Library)] internal static partial int ts_sub_scalar(nint tensor, int kind, long integral, double floating, out nint result);
    [LibraryImport(Library)] internal static partial int ts_mul_scalar(nint tensor, int kind, long integral, double floating, out nint result);
    [LibraryImport(Library)] internal static partial int ts_div_scalar(nint tensor, int kind, long integral, double floating, out nint result);
    [LibraryImport(Library)] internal static partial int ts_pow_scalar(nint tensor, int kind, long integral, double floating, out nint result);
    [LibraryImport(Library)] internal static partial int ts_greater_scalar(nint tensor, int kind, long integral, double floating, out nint result);
    [LibraryImport(Library)] internal static partial int ts_equal_scalar(nint tensor, int kind, long integral, double floating, out nint result);
    [LibraryImport(Library)] internal static partial int ts_fill_(nint tensor, int kind, long integral, double floating);
    [LibraryImport(Library)] internal static partial int ts_mul_scalar_(nint tensor, int kind, long integral, double floating);
    [LibraryImport(Library)] internal static partial int ts_add_(nint tensor, nint other, int kind, long integral, double floating);
    [LibraryImport(Library)] internal static partial int ts_zero_(nint tensor);
    [LibraryImport(Library)] internal static partial int ts_copy_(nint tensor, nint source, int nonBlocking);
    [LibraryImport(Library)] internal static partial int ts_addmm_(nint tensor, nint left, nint right, double beta, double alpha);
    [LibraryImport(Library)] internal static partial int ts_index_add_(nint tensor, long dim, nint index, nint source, int kind, long integral, double floating);
    [LibraryImport(Library)] internal static partial int ts_masked_fill(nint tensor, nint mask, int kind, long integral, double floating, out nint result);

    // Shapes.
    [LibraryImport(Library)] internal static partial int ts_view(nint tensor, long* shape, int rank, out nint result);
    [LibraryImport(Library)] internal static partial int ts_reshape(nint tensor, long* shape, int rank, out nint result);
    [LibraryImport(Library)] internal static partial int ts_expand(nint tensor, long* shape, int rank, int isImplicit, out nint result);
    [LibraryImport(Library)] internal static partial int ts_transpose(nint tensor, long dim0, long dim1, out nint result);
    [LibraryImport(Library)] internal static partial int ts_narrow(nint tensor, long dim, long start, long length, out nint result);
    [LibraryImport(Library)] internal static partial int ts_select(nint tensor, long dim, long index, out nint result);
    [LibraryImport(Library)] internal static partial int ts_unsqueeze(nint tensor, long dim, out nint result);
    [LibraryImport(Library)] internal static partial int ts_index_select(nint tensor, long dim, nint index, out nint result);
    [LibraryImport(Library)] internal static partial int ts_gather(nint tensor, long dim, nint index, out nint result);
    [LibraryImport(Library)] internal static partial int ts_scatter_(nint tensor, long dim, nint index, nint source);
    [LibraryImport(Library)] internal static partial int ts_cat(nint* tensors, int count, long dim, out nint result);
    [LibraryImport(Library)] internal static partial int ts_stack(nint* tensors, int count, long dim, out nint result);

    // Reductions and order.
    [LibraryImport(Library)] internal static partial int ts_sum(nint tensor, int dtype, out nint result);
    [LibraryImport(Library)] internal static partial int ts_sum_dims(nint tensor, long* dims, int count, int keepdim, int dtype, out nint result);
    [LibraryImport(Library)] internal static partial int ts_mean_dims(nint tensor, long* dims, int count, int keepdim, int dtype, out nint result);
    [LibraryImport(Library)] internal static partial int ts_argmax(nint tensor, long dim, int keepdim, out nint result);
    [LibraryImport(Library)] internal static partial int ts_cumsum(nint tensor, long dim, int dtype, out nint result);
    [LibraryImport(Library)] internal static partial int ts_sort(nint tensor, long dim, int descending, int stable, out nint values, out nint indices);
    [LibraryImport(Library)] internal static partial int ts_multinomial(nint tensor, long samples, int replacement, nint generator, out nint result);
    [LibraryImport(Library)] internal static partial int ts_to(nint tensor, int dtype, int deviceType, int deviceIndex, int copy, int nonBlocking, out nint result);
    [LibraryImport(Library)] internal static partial int ts_item(nint tensor, out int kind, out long integral, out double floating);

    // Functional.
    [LibraryImport(Library)] internal static partial int ts_linear(nint input, nint weights, nint bias, out nint result);
    [LibraryImport(Library)] internal static partial int ts_softmax(nint tensor, long dim, int dtype, out nint result);
    [LibraryImport(Library)] internal static partial int ts_log_softmax(nint tensor, long dim, int dtype, out nint result);
    [LibraryImport(Library)] internal static partial int ts_cross_entropy(nint input, nint target, nint weight, long ignoreIndex, long reduction, double labelSmoothing, out nint result);
    [LibraryImport(Library)] internal static partial int ts_scaled_dot_product_attention(nint query, nint key, nint value, nint mask, double dropout, int causal, out nint result);

    // Runtime.
    [LibraryImport(Library)] internal static partial int ts_set_num_threads(int threads);
    [LibraryImport(Library)] internal static partial int ts_get_num_threads();
    [LibraryImport(Library)] internal static partial int ts_cuda_is_available();
    [LibraryImport(Library)] internal static partial int ts_cuda_device_count(out int count);
    [LibraryImport(Library)] internal static partial int ts_manual_seed(long seed);
    [LibraryImport(Library)] internal static partial byte* ts_torch_version();
    [LibraryImport(Library)] internal static partial int ts_generator_new(ulong seed, out nint result);
    [LibraryImport(Library)] internal static partial void ts_generator_delete(nint generator);
    [LibraryImport(Library)] internal static partial int ts_generator_manual_seed(nint generator, long seed);

    // Autograd.
    [LibraryImport(Library)] internal static partial int ts_requires_grad(nint tensor);
    [LibraryImport(Library)] internal static partial int ts_set_requires_grad(nint tensor, int requiresGrad);
    [LibraryImport(Library)] internal static partial int ts_is_leaf(nint tensor);
    [LibraryImport(Library)] internal static partial int ts_grad(nint tensor, out nint result);
    [LibraryImport(Library)] internal static partial int ts_set_grad(nint tensor, nint gradient);
    [LibraryImport(Library)] internal static partial int ts_is_grad_enabled();
    [LibraryImport(Library)] internal static partial void ts_set_grad_enabled(int enabled);
    [LibraryImport(Library)] internal static partial int ts_backward(nint* tensors, int count, nint* gradients, int gradientCount, int retainGraph, int createGraph, nint* inputs, int inputCount, out long exception);
    [LibraryImport(Library)] internal static partial int ts_function_attach(nint* inputs, int inputCount, nint* outputs, int* differentiable, int outputCount, nint* saved, int savedCount, int materialize, long context, delegate* unmanaged<long, nint, nint*, int, nint*, int, long> run, delegate* unmanaged<long, void> release);
    [LibraryImport(Library)] internal static partial int ts_function_saved_count(nint node);
    [LibraryImport(Library)] internal static partial int ts_function_saved(nint node, int index, out nint result);

    internal static void Check(int status)
    {
        if (status != 0) Throw();
    }

    internal static string TorchVersion => Marshal.PtrToStringUTF8((nint)ts_torch_version())!;

    private static void Throw() => throw new ExternalException(Marshal.PtrToStringUTF8((nint)ts_last_error()));
}
