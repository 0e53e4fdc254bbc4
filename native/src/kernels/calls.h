// The kernels' arguments after the C boundary has checked them, and the table of entry points that each instruction set fills.
// Meaning and shapes of the fields are those of the parameters of the same name in kvshift.h. S is a type of memory, T one that is computed in.
#pragma once

#include <cstdint>

#include "kernels/bfloat16.h"

namespace kvshift {

template <typename S>
struct RmsNormForward {
    int64_t rows, columns;
    const S* x;
    const S* residual;
    const S* weight;
    Computed<S> epsilon;
    S* sum;
    S* y;
    Computed<S>* inverse_rms;
};

template <typename S>
struct RmsNormBackward {
    int64_t rows, columns;
    const S* x;
    const S* weight;
    const Computed<S>* inverse_rms;
    const S* dy;
    const S* dsum;
    S* dx;
    Computed<S>* dweight;
};

template <typename S>
struct ShiftRopeForward {
    int64_t batch, tokens, heads, head_size;
    const S* x;
    int64_t x_stride;
    const S* shift;
    int64_t taps;
    const int32_t* positions;
    const S* cosine;
    const S* sine;
    S* y;
};

template <typename S>
struct ShiftRopeBackward {
    int64_t batch, tokens, heads, head_size;
    const S* x;
    int64_t x_stride;
    const S* shift;
    int64_t taps;
    const int32_t* positions;
    const S* cosine;
    const S* sine;
    const S* dy;
    S* dx;
    int64_t dx_stride;
    S* dshift;
};

template <typename S>
struct AttentionForward {
    int64_t batch, tokens, query_begin, query_count, heads, kv_heads, head_size;
    const S* q;
    const S* k;
    const S* v;
    const int32_t* positions;
    int64_t window;
    Computed<S> scale;
    S* out;
    Computed<S>* log_sum_exp;
};

template <typename S>
struct AttentionBackward {
    int64_t batch, tokens, query_begin, query_count, heads, kv_heads, head_size;
    const S* q;
    const S* k;
    const S* v;
    const int32_t* positions;
    int64_t window;
    Computed<S> scale;
    const S* out;
    const Computed<S>* log_sum_exp;
    const S* dout;
    S* dq;
    S* dk;
    S* dv;
};

template <typename S>
struct SwiGluForward {
    int64_t count;
    const S* gate;
    const S* up;
    S* y;
};

template <typename S>
struct SwiGluBackward {
    int64_t count;
    const S* gate;
    const S* up;
    const S* dy;
    S* dgate;
    S* dup;
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

template <typename S>
struct EmbeddingBackward {
    int64_t rows, columns;
    const int32_t* ids;
    const S* dy;
    Computed<S>* dweight;
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

// What works on activations of type S.
template <typename S>
struct ActivationKernels {
    void (*rms_norm_forward)(const RmsNormForward<S>&, int threads);
    void (*rms_norm_backward)(const RmsNormBackward<S>&, int threads);
    void (*shift_rope_forward)(const ShiftRopeForward<S>&, int threads);
    void (*shift_rope_backward)(const ShiftRopeBackward<S>&, int threads);
    void (*attention_forward)(const AttentionForward<S>&, int threads);
    void (*attention_backward)(const AttentionBackward<S>&, int threads);
    void (*swiglu_forward)(const SwiGluForward<S>&, int threads);
    void (*swiglu_backward)(const SwiGluBackward<S>&, int threads);
    void (*embedding_backward)(const EmbeddingBackward<S>&, int threads);
};

// What works on logits, gradients of parameters and the optimizer's state, of float32 at least.
template <typename T>
struct WideKernels {
    double (*cross_entropy)(const CrossEntropy<T>&, int threads);
    void (*cross_entropy_part)(const CrossEntropyPart<T>&, int threads);
    void (*cross_entropy_part_gradient)(const CrossEntropyPartGradient<T>&, int threads);
    void (*adamw)(const AdamW<T>&, int threads);
    double (*sum_of_squares)(const SumOfSquares<T>&, int threads);
};

struct IsaKernels {
    const char* name;
    ActivationKernels<float> float32;
    ActivationKernels<double> float64;
    ActivationKernels<BFloat16> bfloat16;
    WideKernels<float> wide_float32;
    WideKernels<double> wide_float64;
};

}  // namespace kvshift
