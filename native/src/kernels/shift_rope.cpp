// KV shift (paper section 2.2) and rotary embedding in one pass over the rows of a projection.
#include "kernels/entry_points.h"
#include "kernels/parallel.h"
#include "kernels/vector.h"
#include "kernels/workspace.h"

namespace kvshift::KVSHIFT_ISA {
namespace {

// What a call does: mixes Taps positions (0: no shift), rotates or not. A constant window lets the loops over it unroll.
template <int Taps, bool Rotated>
struct Steps {
    static constexpr int taps = Taps;
    static constexpr bool shifted = Taps > 0;
    static constexpr bool rotated = Rotated;
};

template <int Taps, typename Call, typename Body>
void with_rotation(const Call& call, Body&& body) {
    call.cosine != nullptr ? body(Steps<Taps, true>{}) : body(Steps<Taps, false>{});
}

template <typename Call, typename Body>
void with_steps(const Call& call, Body&& body) {
    switch (call.taps) {
        case 1: return with_rotation<1>(call, body);
        case 2: return with_rotation<2>(call, body);
        case 3: return with_rotation<3>(call, body);
        case 4: return with_rotation<4>(call, body);
        default: return with_rotation<0>(call, body);
    }
}

// How many positions back the window of a row may look: not over the start of its document, nor of its row of the batch.
template <int Taps, typename Call>
KVSHIFT_INLINE int reach(const Call& call, int64_t row) {
    const int64_t before = smaller(call.positions[row], row % call.tokens);
    return static_cast<int>(smaller(before, Taps - 1));
}

// weights[lag] of a head, from the columns of shift, whose last is lag 0.
template <typename S, int Taps>
struct Weights {
    Computed<S> of[Taps > 0 ? Taps : 1];

    KVSHIFT_INLINE Weights(const S* shift, int64_t head) {
        if constexpr (Taps > 0) {
#pragma GCC unroll 4
            for (int lag = 0; lag < Taps; ++lag) of[lag] = widened(shift[(head + 1) * Taps - 1 - lag]);
        }
    }
};

// Whole: the window reaches no document's start, so that nothing has to be asked of a vector. Left to itself GCC 12 calls the lambdas
// of a window of two out of line, which costs more than their work.
template <typename S, typename Steps, bool Whole>
KVSHIFT_INLINE void forward_head(const S* x, int64_t x_stride, int reach, const Weights<S, Steps::taps>& weights, const S* cosine,
                                 const S* sine, int64_t head_size, S* y) {
    using T = Computed<S>;
    const auto mixed = [&](int64_t index, auto lanes) __attribute__((always_inline)) {
        Vector<T> sum = lanes.load(x + index);
        if constexpr (Steps::shifted) {
            sum *= weights.of[0];
#pragma GCC unroll 4
            for (int lag = 1; lag < Steps::taps; ++lag) {
                if (Whole || lag <= reach) sum += lanes.load(x - lag * x_stride + index) * weights.of[lag];
            }
        }
        return sum;
    };
    if constexpr (Steps::rotated) {
        const int64_t half = head_size / 2;
        for_each_vector<T>(half, [&](int64_t index, auto lanes, int) __attribute__((always_inline)) {
            const Vector<T> first = mixed(index, lanes), second = mixed(half + index, lanes);
            const Vector<T> c = lanes.load(cosine + index), s = lanes.load(sine + index);
            lanes.store(y + index, first * c - second * s);
            lanes.store(y + half + index, second * c + first * s);
        });
    } else {
        for_each_vector<T>(head_size, [&](int64_t index, auto lanes, int) { lanes.store(y + index, mixed(index, lanes)); });
    }
}

// The gradient of the mixed row from that of the rotated one: the rotation back.
template <typename S, typename Steps, typename To>
KVSHIFT_INLINE void rotate_back(const S* dy, const S* cosine, const S* sine, int64_t head_size, To* dmixed) {
    using T = Computed<S>;
    if constexpr (Steps::rotated) {
        const int64_t half = head_size / 2;
        for_each_vector<T>(half, [&](int64_t index, auto lanes, int) {
            const Vector<T> first = lanes.load(dy + index), second = lanes.load(dy + half + index);
            const Vector<T> c = lanes.load(cosine + index), s = lanes.load(sine + index);
            lanes.store(dmixed + index, first * c + second * s);
            lanes.store(dmixed + half + index, second * c - first * s);
        });
    } else {
        for_each_vector<T>(head_size, [&](int64_t index, auto lanes, int) { lanes.store(dmixed + index, lanes.load(dy + index)); });
    }
}

// dx_t = sum over lags of weights[lag] dmixed_{t+lag}, where dmixed[lag] is null if row t + lag does not look back to t. The dot
// products of dmixed_t with x_{t-lag} are added lane by lane to dots[lag].
template <typename S, int Taps, typename T = Computed<S>>
KVSHIFT_INLINE void backward_head(const S* x, int64_t x_stride, int reach, const T* const (&dmixed)[Taps],
                                  const Weights<S, Taps>& weights, int64_t head_size, S* dx, T* dots) {
    Vector<T> sums[Taps][4] = {};
    for_each_vector<T>(head_size, [&](int64_t index, auto lanes, int slot) {
        const Vector<T> gradient = lanes.load(dmixed[0] + index);
        Vector<T> result = gradient * weights.of[0];
        sums[0][slot] += gradient * lanes.load(x + index);
#pragma GCC unroll 4
        for (int lag = 1; lag < Taps; ++lag) {
            if (dmixed[lag] != nullptr) result += lanes.load(dmixed[lag] + index) * weights.of[lag];
            if (lag <= reach) sums[lag][slot] += gradient * lanes.load(x - lag * x_stride + index);
        }
        lanes.store(dx + index, result);
    });
#pragma GCC unroll 4
    for (int lag = 0; lag < Taps; ++lag) {
        T* dot = dots + lag * width<T>;
        store<T>(dot, load<T>(dot) + sum_of_slots<T>(sums[lag]));
    }
}

template <typename S, typename Steps, typename To>
void rotate_row_back(const ShiftRopeBackward<S>& call, int64_t row, To* dmixed) {
    const int64_t half = call.head_size / 2;
    const S* cosine = Steps::rotated ? call.cosine + call.positions[row] * half : nullptr;
    const S* sine = Steps::rotated ? call.sine + call.positions[row] * half : nullptr;
    for (int64_t head = 0; head < call.heads; ++head) {
        const int64_t offset = head * call.head_size;
        rotate_back<S, Steps>(call.dy + row * call.heads * call.head_size + offset, cosine, sine, call.head_size, dmixed + offset);
    }
}

// One block of rows. dots [heads, taps, width] is overwritten; dmixed holds taps rows, this token's and the next ones', row r in
// place r % taps.
template <typename S, typename Steps, typename T = Computed<S>>
void backward_block(const ShiftRopeBackward<S>& call, int64_t begin, int64_t end, T* dots, T* dmixed) {
    if constexpr (!Steps::shifted) {
        for (int64_t row = begin; row < end; ++row) rotate_row_back<S, Steps>(call, row, call.dx + row * call.dx_stride);
    } else {
        constexpr int taps = Steps::taps;
        const int64_t rows = call.batch * call.tokens, columns = call.heads * call.head_size;
        const auto place = [&](int64_t row) { return dmixed + row % taps * columns; };
        for (int64_t index = 0; index < call.heads * taps * width<T>; ++index) dots[index] = T(0);
        for (int64_t row = begin; row < smaller(rows, begin + taps - 1); ++row) rotate_row_back<S, Steps>(call, row, place(row));
        for (int64_t row = begin; row < end; ++row) {
            const int64_t newest = row + taps - 1;
            if (newest < rows) rotate_row_back<S, Steps>(call, newest, place(newest));
            const T* gradients[taps];
            for (int lag = 0; lag < taps; ++lag) {
                gradients[lag] = row + lag < rows && reach<taps>(call, row + lag) >= lag ? place(row + lag) : nullptr;
            }
            const int looks_back = reach<taps>(call, row);
            for (int64_t head = 0; head < call.heads; ++head) {
                const int64_t offset = head * call.head_size;
                const T* of_head[taps];
#pragma GCC unroll 4
                for (int lag = 0; lag < taps; ++lag) of_head[lag] = gradients[lag] == nullptr ? nullptr : gradients[lag] + offset;
                backward_head<S, taps>(call.x + row * call.x_stride + offset, call.x_stride, looks_back, of_head,
                                       Weights<S, taps>(call.shift, head), call.head_size, call.dx + row * call.dx_stride + offset,
                                       dots + head * taps * width<T>);
            }
        }
    }
}

}  // namespace

template <typename S>
void shift_rope_forward(const ShiftRopeForward<S>& call, int threads) {
    const int64_t rows = call.batch * call.tokens, columns = call.heads * call.head_size, half = call.head_size / 2;
    with_steps(call, [&](auto steps) {
        using Steps = decltype(steps);
        parallel_for(threads_for(rows * columns, threads), rows, [&](int64_t row) {
            const int looks_back = Steps::shifted ? reach<Steps::taps>(call, row) : 0;
            const S* cosine = Steps::rotated ? call.cosine + call.positions[row] * half : nullptr;
            const S* sine = Steps::rotated ? call.sine + call.positions[row] * half : nullptr;
            const bool whole = looks_back >= Steps::taps - 1;
            for (int64_t head = 0; head < call.heads; ++head) {
                const S* x = call.x + row * call.x_stride + head * call.head_size;
                S* y = call.y + row * columns + head * call.head_size;
                const Weights<S, Steps::taps> weights(call.shift, head);
                if (whole) {
                    forward_head<S, Steps, true>(x, call.x_stride, looks_back, weights, cosine, sine, call.head_size, y);
                } else {
                    forward_head<S, Steps, false>(x, call.x_stride, looks_back, weights, cosine, sine, call.head_size, y);
                }
            }
        });
    });
}

template <typename S>
void shift_rope_backward(const ShiftRopeBackward<S>& call, int threads) {
    using T = Computed<S>;
    const int64_t rows = call.batch * call.tokens, columns = call.heads * call.head_size;
    const RowBlocks blocks(rows);
    const int64_t dots_per_block = call.heads * call.taps * width<T>;
    const int64_t block_elements = dots_per_block + call.taps * columns;
    const Workspace workspace(static_cast<size_t>(blocks.count * block_elements) * sizeof(T));
    T* scratch = reinterpret_cast<T*>(workspace.data());

    with_steps(call, [&](auto steps) {
        parallel_for(threads_for(rows * columns, threads), blocks.count, [&](int64_t block) {
            T* dots = scratch + block * block_elements;
            backward_block<S, decltype(steps)>(call, blocks.begin(block), blocks.end(block), dots, dots + dots_per_block);
        });
    });
    for (int64_t column = 0; column < call.heads * call.taps; ++column) {
        // Columns count up from the oldest position of a head's window, dots from the current one.
        const int64_t head = column / call.taps, lag = call.taps - 1 - column % call.taps;
        Vector<T> sum = {};
        for (int64_t block = 0; block < blocks.count; ++block) {
            sum += load<T>(scratch + block * block_elements + (head * call.taps + lag) * width<T>);
        }
        FirstLanes<T>{1}.store(call.dshift + column, broadcast<T>(horizontal_sum<T>(sum)));
    }
}

template void shift_rope_forward(const ShiftRopeForward<float>&, int);
template void shift_rope_forward(const ShiftRopeForward<double>&, int);
template void shift_rope_forward(const ShiftRopeForward<BFloat16>&, int);
template void shift_rope_backward(const ShiftRopeBackward<float>&, int);
template void shift_rope_backward(const ShiftRopeBackward<double>&, int);
template void shift_rope_backward(const ShiftRopeBackward<BFloat16>&, int);

}  // namespace kvshift::KVSHIFT_ISA
