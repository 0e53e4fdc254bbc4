// Matrix products, and what every entry point refuses and how it says so.
#include "kernels_test.h"

namespace kernels_test {
namespace {

// A and B are of T, C of To.
template <typename T, typename To>
void compare_matmul(Checks& checks, bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, double beta) {
    // Rows one element longer than needed, so that the leading dimensions count.
    const int64_t lda = (transpose_a ? m : k) + 1, ldb = (transpose_b ? k : n) + 1, ldc = n + 1;
    const auto a = random_values<T>((transpose_a ? k : m) * lda + 1, 1), b = random_values<T>((transpose_b ? n : k) * ldb + 1, 2);
    auto c = random_values<To>(m * ldc, 3);
    if (beta == 0 && !c.empty()) c[0] = To(std::numeric_limits<double>::quiet_NaN());
    auto expected = widened(c);
    for (int64_t i = 0; i < m; ++i) {
        for (int64_t j = 0; j < n; ++j) {
            double sum = 0;
            for (int64_t l = 0; l < k; ++l) {
                sum += static_cast<double>(transpose_a ? a[l * lda + i] : a[i * lda + l]) *
                       (transpose_b ? b[j * ldb + l] : b[l * ldb + j]);
            }
            double& element = expected[static_cast<size_t>(i * ldc + j)];
            element = 0.5 * sum + (beta == 0 ? 0 : beta * element);
        }
    }
    checks.succeeds(
        kvs_matmul(dtype<T>, dtype<To>, transpose_a, transpose_b, m, n, k, 0.5, a.data(), lda, b.data(), ldb, beta, c.data(), ldc),
        "matmul");
    // k products of order 1 summed in float.
    checks.close("matmul", c, expected, stored<To>(8 + 2 * std::sqrt(static_cast<double>(k))));
}

template <typename T, typename To>
void compare_matmuls(Checks& checks) {
    constexpr int64_t shapes[][3] = {{1, 1, 1}, {5, 7, 3}, {64, 48, 80}, {33, 1, 129}, {3, 4, 0}, {0, 4, 4}};
    for (const int threads : {1, 2}) {
        kvs_set_threads(threads);
        for (const auto& shape : shapes) {
            for (const bool transpose_a : {false, true}) {
                for (const bool transpose_b : {false, true}) {
                    for (const double beta : {0.0, 1.0, 0.25})
                        compare_matmul<T, To>(checks, transpose_a, transpose_b, shape[0], shape[1], shape[2], beta);
                }
            }
        }
    }
    kvs_set_threads(1);
}

// The gradient of a small weight over many tokens, which a library may be tempted to sum in a part for each thread.
template <typename T>
void check_matmul_threads(Checks& checks) {
    constexpr int64_t m = 64, n = 48, k = 4096;
    const auto a = random_values<T>(k * m, 1), b = random_values<T>(k * n, 2);
    std::vector<float> of_threads[2] = {std::vector<float>(m * n), std::vector<float>(m * n)};
    for (const int threads : {1, 2}) {
        kvs_set_threads(threads);
        checks.succeeds(kvs_matmul(dtype<T>, KVS_FLOAT32, 1, 0, m, n, k, 1, a.data(), m, b.data(), n, 0, of_threads[threads - 1].data(), n),
                        "matmul");
    }
    kvs_set_threads(1);
    checks.same_bits("matmul of " + std::string(type_name<T>()), of_threads[0], of_threads[1]);
}

// Nothing to do is fine, with null pointers too and on any number of threads.
void check_empty(Checks& checks) {
    const float w[4] = {};
    double sum = 1;
    int64_t valid = 1;
    for (const int threads : {1, 2}) {
        kvs_set_threads(threads);
        checks.succeeds(kvs_attention_forward(KVS_FLOAT32, 0, 0, 0, 0, 1, 1, 4, nullptr, nullptr, nullptr, nullptr, 0, 1, nullptr,
                                              nullptr),
                        "empty attention");
        checks.succeeds(kvs_attention_backward(KVS_FLOAT32, 2, 0, 0, 0, 1, 1, 4, nullptr, nullptr, nullptr, nullptr, 0, 1, nullptr, nullptr,
                                               nullptr, nullptr, nullptr, nullptr),
                        "empty attention backward");
        checks.succeeds(kvs_cross_entropy(KVS_FLOAT32, 0, 8, nullptr, nullptr, -1, 1, 1, &sum, &valid), "empty cross entropy");
        checks.that(sum == 0 && valid == 0, "an empty cross entropy is 0 over 0 rows");
        float dweight[4] = {1, 2, 3, 4}, dshift[2] = {5, 6};
        checks.succeeds(kvs_rms_norm_backward(KVS_FLOAT32, 0, 4, nullptr, w, nullptr, nullptr, nullptr, nullptr, dweight),
                        "empty norm");
        checks.that(dweight[0] == 0 && dweight[3] == 0, "an empty norm still overwrites dweight");
        checks.succeeds(kvs_shift_rope_backward(KVS_FLOAT32, 0, 4, 1, 4, nullptr, 4, w, 2, nullptr, w, w, nullptr, nullptr, 4,
                                               dshift),
                        "empty shift");
        checks.that(dshift[0] == 0 && dshift[1] == 0, "an empty shift still overwrites dshift");
    }
    kvs_set_threads(1);
}

}  // namespace

void test_matmul(Checks& checks) {
    int32_t available = -1;
    checks.succeeds(kvs_matmul_available(KVS_FLOAT64, &available), "matmul_available");
    checks.that(available == 0, "float64 has no tuned product");
    const double one = 1;
    double result = 0;
    checks.refuses(kvs_matmul(KVS_FLOAT64, KVS_FLOAT64, 0, 0, 1, 1, 1, 1, &one, 1, &one, 1, 0, &result, 1), KVS_UNSUPPORTED, "kvs_matmul: ");
    checks.succeeds(kvs_matmul_available(KVS_FLOAT32, &available), "matmul_available");
    if (available == 0) {
        checks.refuses(kvs_matmul(KVS_FLOAT32, KVS_FLOAT32, 0, 0, 0, 0, 0, 1, nullptr, 1, nullptr, 1, 0, nullptr, 1), KVS_UNSUPPORTED, "oneDNN");
        return;
    }
    compare_matmuls<float, float>(checks);
    check_matmul_threads<float>(checks);
    checks.succeeds(kvs_matmul_available(KVS_BFLOAT16, &available), "matmul_available");
    if (available != 0) {
        compare_matmuls<BFloat16, BFloat16>(checks);
        compare_matmuls<BFloat16, float>(checks);
        check_matmul_threads<BFloat16>(checks);
    } else {
        const BFloat16 x(1);
        BFloat16 y;
        checks.refuses(kvs_matmul(KVS_BFLOAT16, KVS_BFLOAT16, 0, 0, 1, 1, 1, 1, &x, 1, &x, 1, 0, &y, 1), KVS_UNSUPPORTED, "dtype is 2");
    }
    float a[4] = {1, 2, 3, 4}, c[4] = {};
    checks.refuses(kvs_matmul(KVS_FLOAT32, KVS_FLOAT32, 0, 0, 2, 2, 2, 1, a, 1, a, 2, 0, c, 2), KVS_INVALID_ARGUMENT, "kvs_matmul: lda is 1");
    checks.refuses(kvs_matmul(KVS_FLOAT32, KVS_BFLOAT16, 0, 0, 2, 2, 2, 1, a, 2, a, 2, 0, c, 2), KVS_INVALID_ARGUMENT,
                   "c_dtype is 2; wanted dtype = 0 or KVS_FLOAT32 (0)");
    checks.refuses(kvs_matmul(KVS_FLOAT32, KVS_FLOAT32, 0, 0, 2, -2, 2, 1, a, 2, a, 2, 0, c, 2), KVS_INVALID_ARGUMENT, "n is -2");
    checks.refuses(kvs_matmul(KVS_FLOAT32, KVS_FLOAT32, 0, 0, 2, 2, 2, 1, a, 2, nullptr, 2, 0, c, 2), KVS_INVALID_ARGUMENT, "b is null");
}

void test_arguments(Checks& checks) {
    constexpr int32_t f32 = KVS_FLOAT32, invalid = KVS_INVALID_ARGUMENT;
    float x[64] = {}, y[64] = {}, z[64] = {}, w[64] = {};
    const int32_t positions[8] = {0, 1, 2, 3, 0, 1, 2, 3}, negative[2] = {0, -1}, jump[4] = {0, 2, 3, 4}, targets[2] = {0, 9};
    double sum = 0;
    int64_t valid = 0;

    checks.refuses(kvs_set_threads(0), invalid, "threads is 0; wanted 1 or more");
    checks.refuses(kvs_rms_norm_forward(f32, -1, 4, x, nullptr, w, 1e-5, nullptr, y, z), invalid,
                   "kvs_rms_norm_forward: rows is -1");
    checks.refuses(kvs_rms_norm_forward(f32, 2, 0, x, nullptr, w, 1e-5, nullptr, y, z), invalid, "columns is 0; wanted 1");
    checks.refuses(kvs_rms_norm_forward(f32, 2, 4, nullptr, nullptr, w, 1e-5, nullptr, y, z), invalid,
                   "x is null; wanted 8 elements");
    checks.refuses(kvs_rms_norm_forward(f32, 2, 4, x, y, w, 1e-5, nullptr, y, z), invalid, "sum is null and residual is not");
    checks.refuses(kvs_rms_norm_forward(KVS_INT32, 2, 4, x, nullptr, w, 1e-5, nullptr, y, z), invalid, "dtype is 3");
    checks.refuses(kvs_rms_norm_backward(f32, 2, 4, x, w, z, y, nullptr, nullptr, w), invalid, "kvs_rms_norm_backward: dx is null");
    checks.refuses(kvs_shift_rope_forward(f32, 1, 4, 1, 3, x, 3, nullptr, 0, positions, w, w, y), invalid,
                   "head_size is 3; wanted an even");
    checks.refuses(kvs_shift_rope_forward(f32, 1, 4, 2, 4, x, 7, nullptr, 0, positions, w, w, y), invalid,
                   "x_stride is 7; wanted at least heads * head_size = 8");
    checks.refuses(kvs_shift_rope_forward(f32, 1, 4, 1, 4, x, 4, nullptr, 0, positions, w, nullptr, y), invalid,
                   "sine is null and cosine is not");
    checks.refuses(kvs_shift_rope_forward(f32, 1, 2, 1, 4, x, 4, nullptr, 0, negative, w, w, y), invalid, "positions[1] is -1");
    checks.refuses(kvs_shift_rope_forward(f32, 1, 4, 1, 4, x, 4, w, 5, positions, w, w, y), invalid, "taps is 5; wanted 1 .. 4");
    checks.refuses(kvs_shift_rope_forward(f32, 1, 4, 1, 4, x, 4, w, 0, positions, w, w, y), invalid, "taps is 0; wanted 1 .. 4");
    checks.refuses(kvs_shift_rope_forward(f32, 1, 4, 1, 4, x, 4, nullptr, 2, positions, w, w, y), invalid,
                   "taps is 2; wanted 0, as shift is null");
    checks.refuses(kvs_shift_rope_backward(f32, 1, 4, 1, 4, x, 4, w, 2, positions, w, w, y, z, 4, nullptr), invalid,
                   "dshift is null and shift is not");
    checks.refuses(kvs_attention_forward(f32, 1, 4, 0, 4, 3, 2, 4, x, x, x, positions, 0, 1, y, z), invalid,
                   "heads is 3; wanted a multiple of kv_heads = 2");
    checks.refuses(kvs_attention_forward(f32, 1, 4, 0, 4, 1, 1, 4, x, x, x, jump, 0, 1, y, z), invalid,
                   "positions[1] is 2; wanted 0 (a document begins) or 1");
    checks.refuses(kvs_attention_forward(f32, 2, 2, 0, 2, 1, 1, 4, x, x, x, positions, 0, 1, y, z), invalid, "positions[2] is 2; wanted 0");
    checks.refuses(kvs_attention_forward(f32, 1, 4, 0, 4, 1, 1, 4, x, x, x, positions, -1, 1, y, z), invalid,
                   "window is -1; wanted 0 or more");
    checks.refuses(kvs_attention_forward(f32, 1, 4, 0, 4, 1, 1, 4, x, nullptr, x, positions, 0, 1, y, z), invalid, "k is null");
    checks.refuses(kvs_attention_backward(f32, 1, 4, 0, 4, 1, 1, 4, x, x, x, positions, 0, 1, y, z, y, x, x, nullptr), invalid,
                   "kvs_attention_backward: dv is null");
    checks.refuses(kvs_swiglu_forward(f32, 3, x, nullptr, y), invalid, "kvs_swiglu_forward: up is null");
    checks.refuses(kvs_swiglu_backward(9, 3, x, y, x, y, z), invalid, "dtype is 9; wanted KVS_FLOAT32 (0), KVS_FLOAT64 (1) or KVS_BFLOAT16 (2)");
    checks.refuses(kvs_cross_entropy(f32, 2, 8, x, targets, -1, 0, 1, &sum, &valid), invalid,
                   "targets[1] is 9; wanted 0 .. 7 or ignore_index = -1");
    checks.refuses(kvs_cross_entropy(f32, 2, 0, x, targets, -1, 0, 1, &sum, &valid), invalid, "vocabulary is 0");
    checks.refuses(kvs_embedding_backward(f32, 2, 4, 9, targets, x, y), invalid,
                   "ids[1] is 9; wanted 0 or more and below vocabulary = 9");
    checks.refuses(kvs_adamw(f32, 4, x, y, z, w, 1e-3, 0.9, 0.95, 1e-8, 0, 0, 1), invalid, "step is 0; wanted 1");
    checks.refuses(kvs_adamw(f32, 4, x, y, z, w, 1e-3, 1, 0.95, 1e-8, 0, 1, 1), invalid, "beta1");
    checks.refuses(kvs_sum_of_squares(f32, 4, x, nullptr), invalid, "sum is null");
    checks.refuses(kvs_sum_of_squares(KVS_BFLOAT16, 4, x, &sum), invalid, "dtype is 2; wanted KVS_FLOAT32 (0) or KVS_FLOAT64 (1)");
    checks.refuses(kvs_matmul_available(f32, nullptr), invalid, "available is null");

    check_empty(checks);
    const std::string isa = kvs_kernel_isa();
    checks.that(isa == "avx512" || isa == "avx2" || isa == "baseline", "the instruction set has a known name");
}

}  // namespace kernels_test
