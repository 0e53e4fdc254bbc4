// The kernels' arguments after the C boundary has checked them, and the table of entry points that each instruction set fills.
// Meaning and shapes of the fields are those of the parameters of the same name in kvshift.h.
#pragma once

#include <cstdint>

namespace kvshift {

template <typename T>
struct RmsNormForward {
    int64_t rows, columns;
    const T* x;
    const T* residual;
    const T* weight;
    T epsilon;
    T* sum;
    T* y;
    T* inverse_rms;
};

template <typename T>
struct RmsNormBackward {
    int64_t rows, columns;
    const T* x;
    const T* weight;
    const T* inverse_rms;
    const T* dy;
    const T* dsum;
    T* dx;
    T* dweight;
};

template <typename T>
struct ShiftRopeForward {
    int64_t batch, tokens, heads, head_size;
    const T* x;
    int64_t x_stride;
    const T* shift;
    int64_t taps;
    const int32_t* positions;
    const T* cosine;
    const T* sine;
    T* y;
};

template <typename T>
struct ShiftRopeBackward {
    int64_t batch, tokens, heads, head_size;
    const T* x;
    int64_t x_stride;
    const T* shift;
    int64_t taps;
    const int32_t* positions;
    const T* cosine;
    const T* sine;
    const T* dy;
    T* dx;
    int64_t dx_stride;
    T* dshift;
};

template <typename T>
struct AttentionForward {
    int64_t batch, tokens, query_begin, query_count, heads, kv_heads, head_size;
    const T* q;
    const T* k;
    const T* v;
    const int32_t* positions;
    int64_t window;
    T scale;
    T* out;
    T* log_sum_exp;
};

template <typename T>
struct AttentionBackward {
    int64_t batch, tokens, query_begin, query_count, heads, kv_heads, head_size;
    const T* q;
    const T* k;
    const T* v;
    const int32_t* positions;
    int64_t window;
    T scale;
    const T* out;
    const T* log_sum_exp;
    const T* dout;
    T* dq;
    T* dk;
    T* dv;
};

template <typename T>
struct SwiGluForward {
    int64_t count;
    const T* gate;
    const T* up;
    T* y;
};

template <typename T>
struct SwiGluBackward {
    int64_t count;
    const T* gate;
    const T* up;
    const T* dy;
    T* dgate;
    T* dup;
};

template <typename T>
struct CrossEntropy {
    int64_t rows, vocabulary;
    T* logits;
    const int32_t* targets;
    int32_t ignore_index;
    bool write_gradient;
    T gradient_scale;
};

// One rank's columns of the logits. statistics [3, rows]: largest, sum of exp(logit - largest), logit at the target or 0.
template <typename T>
struct CrossEntropyPart {
    int64_t rows, columns;
    T* logits;
    const int32_t* targets;
    int64_t first_id;
    T* statistics;
};

// factors [rows]: what turns the exponentials that the part left into probabilities.
template <typename T>
struct CrossEntropyPartGradient {
    int64_t rows, columns;
    T* exponentials;
    const int32_t* targets;
    int64_t first_id;
    const T* factors;
};

template <typename T>
struct EmbeddingBackward {
    int64_t rows, columns;
    const int32_t* ids;
    const T* dy;
    T* dweight;
};

// p = decay * p - step_size * m / (sqrt(v) * v_scale + epsilon)
template <typename T>
struct AdamW {
    int64_t count;
    T* parameter;
    const T* gradient;
    T* exp_avg;
    T* exp_avg_sq;
    T beta1, beta2, one_minus_beta1, one_minus_beta2;
    T decay, step_size, v_scale, epsilon, gradient_scale;
};

template <typename T>
struct SumOfSquares {
    int64_t count;
    const T* x;
};

template <typename T>
struct TypedKernels {
    void (*rms_norm_forward)(const RmsNormForward<T>&, int threads);
    void (*rms_norm_backward)(const RmsNormBackward<T>&, int threads);
    void (*shift_rope_forward)(const ShiftRopeForward<T>&, int threads);
    void (*shift_rope_backward)(const ShiftRopeBackward<T>&, int threads);
    void (*attention_forward)(const AttentionForward<T>&, int threads);
    void (*attention_backward)(const AttentionBackward<T>&, int threads);
    void (*swiglu_forward)(const SwiGluForward<T>&, int threads);
    void (*swiglu_backward)(const SwiGluBackward<T>&, int threads);
    double (*cross_entropy)(const CrossEntropy<T>&, int threads);
    void (*cross_entropy_part)(const CrossEntropyPart<T>&, int threads);
    void (*cross_entropy_part_gradient)(const CrossEntropyPartGradient<T>&, int threads);
    void (*embedding_backward)(const EmbeddingBackward<T>&, int threads);
    void (*adamw)(const AdamW<T>&, int threads);
    double (*sum_of_squares)(const SumOfSquares<T>&, int threads);
};

struct IsaKernels {
    const char* name;
    TypedKernels<float> float32;
    TypedKernels<double> float64;
};

}  // namespace kvshift
