// Root-mean-square norm of rows (Zhang and Sennrich 2019), with the residual addition before it fused in.
#include "kernels/entry_points.h"
#include "kernels/parallel.h"
#include "kernels/vector.h"
#include "kernels/workspace.h"

namespace kvshift::KVSHIFT_ISA {
namespace {

template <typename S, typename T = Computed<S>>
T normalise_row(int64_t columns, const S* x, const S* weight, T epsilon, T sum_of_squares, S* y) {
    const T mean = sum_of_squares / static_cast<T>(columns) + epsilon;
    const T inverse_rms = T(1) / (sizeof(T) == sizeof(float) ? __builtin_sqrtf(mean) : __builtin_sqrt(mean));
    for_each_vector<T>(columns, [&](int64_t column, auto lanes, int) {
        lanes.store(y + column, lanes.load(x + column) * inverse_rms * lanes.load(weight + column));
    });
    return inverse_rms;
}

// dx = inverse_rms * (weight dy - x inverse_rms^2 mean(weight dy x)) (+ dsum); adds dy x inverse_rms to dweight.
template <typename S, typename T = Computed<S>>
void backward_row(const RmsNormBackward<S>& call, int64_t row, T* dweight) {
    const S* x = call.x + row * call.columns;
    const S* dy = call.dy + row * call.columns;
    const S* dsum = call.dsum == nullptr ? nullptr : call.dsum + row * call.columns;
    S* dx = call.dx + row * call.columns;
    const T inverse_rms = call.inverse_rms[row];

    Vector<T> dots[4] = {};
    for_each_vector<T>(call.columns, [&](int64_t column, auto lanes, int slot) {
        const Vector<T> product = lanes.load(dy + column) * lanes.load(x + column);
        dots[slot] += product * lanes.load(call.weight + column);
        lanes.store(dweight + column, lanes.load(dweight + column) + product * inverse_rms);
    });
    const T mean = horizontal_sum<T>(sum_of_slots<T>(dots)) / static_cast<T>(call.columns);
    const T towards_x = inverse_rms * inverse_rms * inverse_rms * mean;

    for_each_vector<T>(call.columns, [&](int64_t column, auto lanes, int) {
        Vector<T> gradient =
            lanes.load(dy + column) * lanes.load(call.weight + column) * inverse_rms - lanes.load(x + column) * towards_x;
        if (dsum != nullptr) gradient += lanes.load(dsum + column);
        lanes.store(dx + column, gradient);
    });
}

}  // namespace

template <typename S>
void rms_norm_forward(const RmsNormForward<S>& call, int threads) {
    using T = Computed<S>;
    const int64_t columns = call.columns;
    parallel_for(threads_for(call.rows * columns, threads), call.rows, [&](int64_t row) {
        const S* x = call.x + row * columns;
        Vector<T> squares[4] = {};
        if (call.residual == nullptr) {
            for_each_vector<T>(columns, [&](int64_t column, auto lanes, int slot) {
                const Vector<T> value = lanes.load(x + column);
                squares[slot] += value * value;
            });
        } else {
            const S* residual = call.residual + row * columns;
            S* sum = call.sum + row * columns;
            for_each_vector<T>(columns, [&](int64_t column, auto lanes, int slot) {
                const Vector<T> value = as_stored<S>(lanes.load(x + column) + lanes.load(residual + column));
                lanes.store(sum + column, value);
                squares[slot] += value * value;
            });
            x = sum;
        }
        call.inverse_rms[row] = normalise_row<S>(columns, x, call.weight, call.epsilon, horizontal_sum<T>(sum_of_slots<T>(squares)),
                                                 call.y + row * columns);
    });
}

template <typename S>
void rms_norm_backward(const RmsNormBackward<S>& call, int threads) {
    using T = Computed<S>;
    const RowBlocks blocks(call.rows);
    const int64_t columns = call.columns;
    const Workspace workspace(static_cast<size_t>(blocks.count * columns) * sizeof(T));
    T* partials = reinterpret_cast<T*>(workspace.data());

    parallel_for(threads_for(call.rows * columns, threads), blocks.count, [&](int64_t block) {
        T* dweight = partials + block * columns;
        for (int64_t column = 0; column < columns; ++column) dweight[column] = T(0);
        for (int64_t row = blocks.begin(block); row < blocks.end(block); ++row) backward_row(call, row, dweight);
    });
    for (int64_t column = 0; column < columns; ++column) call.dweight[column] = T(0);
    for (int64_t block = 0; block < blocks.count; ++block) {
        for (int64_t column = 0; column < columns; ++column) call.dweight[column] += partials[block * columns + column];
    }
}

template void rms_norm_forward(const RmsNormForward<float>&, int);
template void rms_norm_forward(const RmsNormForward<double>&, int);
template void rms_norm_forward(const RmsNormForward<BFloat16>&, int);
template void rms_norm_backward(const RmsNormBackward<float>&, int);
template void rms_norm_backward(const RmsNormBackward<double>&, int);
template void rms_norm_backward(const RmsNormBackward<BFloat16>&, int);

}  // namespace kvshift::KVSHIFT_ISA
