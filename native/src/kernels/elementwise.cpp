// Kernels that walk flat arrays: SwiGLU, the optimizer's step, the sum of squares, and the gradient of an embedding.
#include "kernels/entry_points.h"
#include "kernels/exponential.h"
#include "kernels/parallel.h"
#include "kernels/vector.h"
#include "kernels/workspace.h"

namespace kvshift::KVSHIFT_ISA {
namespace {

// A multiple of every vector width, so that an element's lane and block depend on its index alone.
constexpr int64_t block_elements = 8192;

// body(begin, element count) for fixed blocks of count elements.
template <typename Body>
void for_each_block(int64_t count, int threads, Body&& body) {
    parallel_for(threads_for(count, threads), divide_up(count, block_elements), [&](int64_t block) {
        const int64_t begin = block * block_elements;
        body(begin, smaller(block_elements, count - begin));
    });
}

template <typename T>
KVSHIFT_INLINE Vector<T> sigmoid(Vector<T> x) {
    return T(1) / (T(1) + exponential<T>(-x));
}

KVSHIFT_INLINE void add_squares(const float* x, int64_t count, Vector<double> (&sums)[4]) {
    constexpr int half = width<float> / 2;
    typedef float Half __attribute__((vector_size(vector_byte_count / 2)));
    int64_t index = 0;
    for (; index + 4 * half <= count; index += 4 * half) {
#pragma GCC unroll 4
        for (int slot = 0; slot < 4; ++slot) {
            Half narrow;
            __builtin_memcpy(&narrow, x + index + slot * half, sizeof(narrow));
            const Vector<double> wide = __builtin_convertvector(narrow, Vector<double>);
            sums[slot] += wide * wide;
        }
    }
    for (int lane = 0; index < count; ++index, lane = (lane + 1) % width<double>) {
        sums[0][lane] += static_cast<double>(x[index]) * static_cast<double>(x[index]);
    }
}

KVSHIFT_INLINE void add_squares(const double* x, int64_t count, Vector<double> (&sums)[4]) {
    for_each_vector<double>(count, [&](int64_t index, auto lanes, int slot) {
        const Vector<double> value = lanes.load(x + index);
        sums[slot] += value * value;
    });
}

}  // namespace

template <typename S>
void swiglu_forward(const SwiGluForward<S>& call, int threads) {
    using T = Computed<S>;
    for_each_block(call.count, threads, [&](int64_t begin, int64_t count) {
        for_each_vector<T>(count, [&](int64_t offset, auto lanes, int) {
            const int64_t index = begin + offset;
            const Vector<T> gate = lanes.load(call.gate + index);
            lanes.store(call.y + index, gate * sigmoid<T>(gate) * lanes.load(call.up + index));
        });
    });
}

template <typename S>
void swiglu_backward(const SwiGluBackward<S>& call, int threads) {
    using T = Computed<S>;
    for_each_block(call.count, threads, [&](int64_t begin, int64_t count) {
        for_each_vector<T>(count, [&](int64_t offset, auto lanes, int) {
            const int64_t index = begin + offset;
            const Vector<T> gate = lanes.load(call.gate + index), up = lanes.load(call.up + index),
                            dy = lanes.load(call.dy + index);
            const Vector<T> opened = sigmoid<T>(gate);
            lanes.store(call.dgate + index, dy * up * opened * (T(1) + gate * (T(1) - opened)));
            lanes.store(call.dup + index, dy * gate * opened);
        });
    });
}

template <typename T>
void adamw(const AdamW<T>& call, int threads) {
    for_each_block(call.count, threads, [&](int64_t begin, int64_t count) {
        for_each_vector<T>(count, [&](int64_t offset, auto lanes, int) {
            const int64_t index = begin + offset;
            const Vector<T> gradient = lanes.load(call.gradient + index) * call.gradient_scale;
            const Vector<T> m = lanes.load(call.exp_avg + index) * call.beta1 + gradient * call.one_minus_beta1;
            const Vector<T> v = lanes.load(call.exp_avg_sq + index) * call.beta2 + gradient * gradient * call.one_minus_beta2;
            const Vector<T> update = m / (square_root(v) * call.v_scale + call.epsilon);
            lanes.store(call.exp_avg + index, m);
            lanes.store(call.exp_avg_sq + index, v);
            lanes.store(call.parameter + index, lanes.load(call.parameter + index) * call.decay - update * call.step_size);
        });
    });
}

template <typename T>
double sum_of_squares(const SumOfSquares<T>& call, int threads) {
    const int64_t blocks = divide_up(call.count, block_elements);
    const Workspace workspace(static_cast<size_t>(blocks) * sizeof(double));
    double* partials = reinterpret_cast<double*>(workspace.data());
    for_each_block(call.count, threads, [&](int64_t begin, int64_t count) {
        Vector<double> sums[4] = {};
        add_squares(call.x + begin, count, sums);
        partials[begin / block_elements] = horizontal_sum<double>(sum_of_slots<double>(sums));
    });
    double sum = 0;
    for (int64_t block = 0; block < blocks; ++block) sum += partials[block];
    return sum;
}

// Threads own columns, so that each row of dweight gets its contributions in the order of ids, whatever their number.
template <typename S>
void embedding_backward(const EmbeddingBackward<S>& call, int threads) {
    using T = Computed<S>;
    constexpr int64_t slice = 64;
    parallel_for(threads_for(call.rows * call.columns, threads), divide_up(call.columns, slice), [&](int64_t index) {
        const int64_t begin = index * slice, count = smaller(slice, call.columns - begin);
        for (int64_t row = 0; row < call.rows; ++row) {
            const S* dy = call.dy + row * call.columns + begin;
            T* dweight = call.dweight + call.ids[row] * call.columns + begin;
            for_each_vector<T>(count, [&](int64_t column, auto lanes, int) {
                lanes.store(dweight + column, lanes.load(dweight + column) + lanes.load(dy + column));
            });
        }
    });
}

template void swiglu_forward(const SwiGluForward<float>&, int);
template void swiglu_forward(const SwiGluForward<double>&, int);
template void swiglu_forward(const SwiGluForward<BFloat16>&, int);
template void swiglu_backward(const SwiGluBackward<float>&, int);
template void swiglu_backward(const SwiGluBackward<double>&, int);
template void swiglu_backward(const SwiGluBackward<BFloat16>&, int);
template void adamw(const AdamW<float>&, int);
template void adamw(const AdamW<double>&, int);
template double sum_of_squares(const SumOfSquares<float>&, int);
template double sum_of_squares(const SumOfSquares<double>&, int);
template void embedding_backward(const EmbeddingBackward<float>&, int);
template void embedding_backward(const EmbeddingBackward<double>&, int);
template void embedding_backward(const EmbeddingBackward<BFloat16>&, int);

}  // namespace kvshift::KVSHIFT_ISA
