// libkvshift: fused CPU kernels behind a C ABI that knows neither torch nor MPI; the collectives are in kvshift_collectives.h.
//
// Every function returns a status: 0 is success; otherwise kvs_last_error() has the text for the calling thread. No
// exception crosses this boundary. Tensors are raw pointers to host memory, contiguous unless a stride is a parameter;
// sizes count elements, never bytes. Pointers named in a comment as nullable may be null, no others.
#ifndef KVSHIFT_H
#define KVSHIFT_H

#include <stdint.h>

#if defined(__cplusplus)
extern "C" {
#endif

#define KVS_API __attribute__((visibility("default")))

// Raised by every change of a signature here or in kvshift_collectives.h; the managed side refuses another value.
#define KVS_ABI_VERSION 8

enum kvs_status {
    KVS_OK = 0,
    KVS_INVALID_ARGUMENT = 1,
    KVS_MPI_ERROR = 2,
    KVS_UNSUPPORTED = 3,
    KVS_INTERNAL_ERROR = 4
};

enum kvs_dtype { KVS_FLOAT32 = 0, KVS_FLOAT64 = 1, KVS_BFLOAT16 = 2, KVS_INT32 = 3, KVS_INT64 = 4 };

KVS_API int32_t kvs_abi_version(void);

// UTF-8 text of the last failure on this thread; valid until the next call on it. Never null.
KVS_API const char* kvs_last_error(void);

// dtype is that of parameters and activations, KVS_FLOAT32, KVS_FLOAT64 or KVS_BFLOAT16, which is computed in float32 and rounded where it is
// stored. Its wide type, float32 or float64, is that of logits, gradients of parameters and the optimizer's state, whose kernels take no
// KVS_BFLOAT16: cross entropy, AdamW and the sum of squares. Accumulation inside a row is at least in the wide type.
// OpenMP threads: kvs_set_threads; results do not depend on the number of threads.

KVS_API int32_t kvs_set_threads(int32_t threads);

// From now on the allocator of this process keeps freed memory instead of giving it back: a training step frees and allocates the same
// sizes again, and fresh pages cost more than the work done on them.
KVS_API int32_t kvs_retain_memory(void);

// Name of the instruction set that the kernels chose on this machine: "avx512", "avx2" or "baseline".
KVS_API const char* kvs_kernel_isa(void);

// y = x / sqrt(mean(x^2) + epsilon) * weight for each row of x [rows, columns]; inverse_rms [rows], of the wide
// type, is kept for backward.
// With residual (nullable, [rows, columns]) the input is x + residual, which is written to sum (null when residual is).
KVS_API int32_t kvs_rms_norm_forward(int32_t dtype, int64_t rows, int64_t columns, const void* x, const void* residual,
                                     const void* weight, double epsilon, void* sum, void* y, void* inverse_rms);

// x is the normalised input (sum where there was a residual). dsum (nullable, [rows, columns]) is the gradient that reaches
// the sum by its other use and is added to dx. dweight [columns], of the wide type, is overwritten.
KVS_API int32_t kvs_rms_norm_backward(int32_t dtype, int64_t rows, int64_t columns, const void* x, const void* weight,
                                      const void* inverse_rms, const void* dy, const void* dsum, void* dx, void* dweight);

// The KV shift over a window of taps positions (paper section 2.2 has 2), followed by the rotary embedding: for x
// [batch, tokens, heads, head_size], rows of heads*head_size elements x_stride apart,
//   mixed_t = sum over lags j = 0 .. taps - 1 of shift[h][taps - 1 - j] * x_{t-j},  x_{t-j} = 0 where j > positions[t]
//   y_t     = rotate_half(mixed_t, positions[t])
// The last column of shift (nullable, [heads, taps]) weighs the current position, the one before it the previous one, and so on;
// taps is 1 .. 4, and 0 where shift is null: no mixing. positions [batch, tokens] counts from 0 at each document's first token,
// cosine and sine [largest position + 1, head_size / 2] (nullable together; null: no rotation). y is contiguous.
KVS_API int32_t kvs_shift_rope_forward(int32_t dtype, int64_t batch, int64_t tokens, int64_t heads, int64_t head_size,
                                       const void* x, int64_t x_stride, const void* shift, int64_t taps,
                                       const int32_t* positions, const void* cosine, const void* sine, void* y);

// dx rows are dx_stride apart and overwritten; dshift [heads, taps] is overwritten (null when shift is).
KVS_API int32_t kvs_shift_rope_backward(int32_t dtype, int64_t batch, int64_t tokens, int64_t heads, int64_t head_size,
                                        const void* x, int64_t x_stride, const void* shift, int64_t taps,
                                        const int32_t* positions, const void* cosine, const void* sine, const void* dy,
                                        void* dx, int64_t dx_stride, void* dshift);

// Causal softmax attention inside documents: query t sees keys t - positions[t] .. t of its own row, of which a window > 0 leaves the last
// window ones, t counted. q, out [batch, query_count, heads, head_size] are the queries query_begin .. query_begin + query_count - 1 of each
// row, which is 0 and tokens for all of them; k, v [batch, tokens, kv_heads, head_size]; query head h reads kv head
// h / (heads / kv_heads). log_sum_exp [batch, heads, query_count], of the wide type, is kept for backward. Memory is O(tokens), not
// O(tokens^2); time is O(tokens * window) with a window.
KVS_API int32_t kvs_attention_forward(int32_t dtype, int64_t batch, int64_t tokens, int64_t query_begin,
                                      int64_t query_count, int64_t heads, int64_t kv_heads,
                                      int64_t head_size, const void* q, const void* k, const void* v,
                                      const int32_t* positions, int64_t window, double scale, void* out, void* log_sum_exp);

// dq, dk, dv are overwritten.
KVS_API int32_t kvs_attention_backward(int32_t dtype, int64_t batch, int64_t tokens, int64_t query_begin,
                                       int64_t query_count, int64_t heads, int64_t kv_heads,
                                       int64_t head_size, const void* q, const void* k, const void* v,
                                       const int32_t* positions, int64_t window, double scale, const void* out,
                                       const void* log_sum_exp, const void* dout, void* dq, void* dk, void* dv);

// y = gate * sigmoid(gate) * up, elementwise over count.
KVS_API int32_t kvs_swiglu_forward(int32_t dtype, int64_t count, const void* gate, const void* up, void* y);
KVS_API int32_t kvs_swiglu_backward(int32_t dtype, int64_t count, const void* gate, const void* up, const void* dy,
                                    void* dgate, void* dup);

// For each row of logits [rows, vocabulary] with targets[row] != ignore_index: -log softmax(logits)[target], summed into
// *loss_sum; *valid counts those rows. write_gradient != 0 overwrites logits with gradient_scale * (softmax - one_hot), rows
// of zeros where ignored. A target outside [0, vocabulary) that is not ignore_index is KVS_INVALID_ARGUMENT.
KVS_API int32_t kvs_cross_entropy(int32_t dtype, int64_t rows, int64_t vocabulary, void* logits, const int32_t* targets,
                                  int32_t ignore_index, int32_t write_gradient, double gradient_scale, double* loss_sum,
                                  int64_t* valid);

// Columns first_id .. first_id + columns - 1 of logits whose other columns other ranks hold. statistics [3, rows] gets for each row
// the largest logit (-inf without columns), the sum of exp(logit - largest), and the logit at targets[row], 0 where the target is
// not among these columns. logits is overwritten with exp(logit - largest).
KVS_API int32_t kvs_cross_entropy_part(int32_t dtype, int64_t rows, int64_t columns, int64_t first_id, void* logits,
                                       const int32_t* targets, void* statistics);

// Turns what kvs_cross_entropy_part left into the gradient of the loss: row * factors[row], less 1 at the target where it is among
// these columns; zeros where targets[row] < 0, which is no target.
KVS_API int32_t kvs_cross_entropy_part_gradient(int32_t dtype, int64_t rows, int64_t columns, int64_t first_id,
                                                void* exponentials, const int32_t* targets, const void* factors);

// dweight[ids[r]] += dy[r] for r in order; dweight [vocabulary, columns], of the wide type, is not cleared first.
KVS_API int32_t kvs_embedding_backward(int32_t dtype, int64_t rows, int64_t columns, int64_t vocabulary, const int32_t* ids,
                                       const void* dy, void* dweight);

// Row-major C = alpha * op(A) op(B) + beta * C, C [m, n]; op(A) [m, k] is A [k, m] transposed where transpose_a != 0. lda, ldb,
// ldc are row strides. beta == 0 does not read C. A and B are of dtype, C of c_dtype, which is dtype or KVS_FLOAT32; sums are float32 at least.
KVS_API int32_t kvs_matmul(int32_t dtype, int32_t c_dtype, int32_t transpose_a, int32_t transpose_b, int64_t m, int64_t n, int64_t k,
                           double alpha, const void* a, int64_t lda, const void* b, int64_t ldb, double beta, void* c,
                           int64_t ldc);

// *available = 1 when kvs_matmul for dtype runs on a tuned library (oneDNN) in this build and on this processor, which for KVS_BFLOAT16 has to
// have AVX-512 with its products of bfloat16; else kvs_matmul is KVS_UNSUPPORTED.
KVS_API int32_t kvs_matmul_available(int32_t dtype, int32_t* available);

// AdamW with decoupled decay (Loshchilov and Hutter 2019), g = gradient_scale * gradient:
//   m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2
//   p = p - lr * (m / bias1 / (sqrt(v / bias2) + epsilon) + weight_decay * p),  bias_i = 1 - beta_i^step
KVS_API int32_t kvs_adamw(int32_t dtype, int64_t count, void* parameter, const void* gradient, void* exp_avg,
                          void* exp_avg_sq, double lr, double beta1, double beta2, double epsilon, double weight_decay,
                          int64_t step, double gradient_scale);

// *sum = sum of squares in float64, over a fixed tree of blocks (so that it does not depend on threads).
KVS_API int32_t kvs_sum_of_squares(int32_t dtype, int64_t count, const void* x, double* sum);

#if defined(__cplusplus)
}
#endif
#endif
