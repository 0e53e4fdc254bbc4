// Softmax cross entropy over rows of logits: a pass for the maximum, one for the exponentials (left in place where a gradient is
// wanted) and one that scales them. A row stays in the nearest caches between its passes.
#include <cmath>

#include "kernels/entry_points.h"
#include "kernels/exponential.h"
#include "kernels/parallel.h"
#include "kernels/vector.h"
#include "kernels/workspace.h"

namespace kvshift::KVSHIFT_ISA {
namespace {

template <typename T>
T largest_of(const T* row, int64_t count) {
    constexpr T lowest = -__builtin_inf();
    Vector<T> largest[4];
    for (auto& slot : largest) slot = broadcast<T>(lowest);
    for_each_vector<T>(count, [&](int64_t index, auto lanes, int slot) {
        largest[slot] = maximum<T>(largest[slot], lanes.load_or(row + index, lowest));
    });
    return horizontal_maximum<T>(maximum<T>(maximum<T>(largest[0], largest[1]), maximum<T>(largest[2], largest[3])));
}

template <typename T, bool Kept>
T sum_exponentials(T* row, int64_t count, T largest) {
    constexpr T lowest = -__builtin_inf();
    Vector<T> sums[4] = {};
    for_each_vector<T>(count, [&](int64_t index, auto lanes, int slot) {
        // This pass computes more than it reads, so it is the one to fetch the next row meanwhile.
        __builtin_prefetch(row + count + index);
        const Vector<T> value = exponential<T>(lanes.load_or(row + index, lowest) - largest);
        if constexpr (Kept) lanes.store(row + index, value);
        sums[slot] += value;
    });
    return horizontal_sum<T>(sum_of_slots<T>(sums));
}

template <typename T>
void scale_row(T* row, int64_t count, T factor) {
    for_each_vector<T>(count, [&](int64_t index, auto lanes, int) { lanes.store(row + index, lanes.load(row + index) * factor); });
}

// -log softmax(row)[target]; the row becomes its gradient where that is wanted.
template <typename T>
double row_loss(const CrossEntropy<T>& call, T* row, int32_t target) {
    const T largest = largest_of(row, call.vocabulary);
    const T at_target = row[target] - largest;
    if (!call.write_gradient)
        return std::log(static_cast<double>(sum_exponentials<T, false>(row, call.vocabulary, largest))) - at_target;

    const T sum = sum_exponentials<T, true>(row, call.vocabulary, largest);
    const T probability = row[target] / sum;
    scale_row(row, call.vocabulary, call.gradient_scale / sum);
    row[target] = call.gradient_scale * (probability - T(1));
    return std::log(static_cast<double>(sum)) - at_target;
}

}  // namespace

template <typename T>
double cross_entropy(const CrossEntropy<T>& call, int threads) {
    const Workspace workspace(static_cast<size_t>(call.rows) * sizeof(double));
    double* losses = reinterpret_cast<double*>(workspace.data());
    parallel_for(threads_for(call.rows * call.vocabulary, threads), call.rows, [&](int64_t index) {
        T* row = call.logits + index * call.vocabulary;
        if (call.targets[index] != call.ignore_index) {
            losses[index] = row_loss(call, row, call.targets[index]);
            return;
        }
        losses[index] = 0;
        if (call.write_gradient) __builtin_memset(row, 0, static_cast<size_t>(call.vocabulary) * sizeof(T));
    });
    double sum = 0;
    for (int64_t row = 0; row < call.rows; ++row) sum += losses[row];
    return sum;
}

template <typename T>
void cross_entropy_part(const CrossEntropyPart<T>& call, int threads) {
    parallel_for(threads_for(call.rows * call.columns, threads), call.rows, [&](int64_t index) {
        T* row = call.logits + index * call.columns;
        const int64_t local = call.targets[index] - call.first_id;
        const T largest = largest_of(row, call.columns);
        call.statistics[index] = largest;
        call.statistics[2 * call.rows + index] = local >= 0 && local < call.columns ? row[local] : T(0);
        call.statistics[call.rows + index] = sum_exponentials<T, true>(row, call.columns, largest);
    });
}

template <typename T>
void cross_entropy_part_gradient(const CrossEntropyPartGradient<T>& call, int threads) {
    parallel_for(threads_for(call.rows * call.columns, threads), call.rows, [&](int64_t index) {
        T* row = call.exponentials + index * call.columns;
        const int64_t local = call.targets[index] - call.first_id;
        if (call.targets[index] < 0) {
            __builtin_memset(row, 0, static_cast<size_t>(call.columns) * sizeof(T));
            return;
        }
        scale_row(row, call.columns, call.factors[index]);
        if (local >= 0 && local < call.columns) row[local] -= T(1);
    });
}

template void cross_entropy_part(const CrossEntropyPart<float>&, int);
template void cross_entropy_part(const CrossEntropyPart<double>&, int);
template void cross_entropy_part_gradient(const CrossEntropyPartGradient<float>&, int);
template void cross_entropy_part_gradient(const CrossEntropyPartGradient<double>&, int);
template double cross_entropy(const CrossEntropy<float>&, int);
template double cross_entropy(const CrossEntropy<double>&, int);

}  // namespace kvshift::KVSHIFT_ISA
