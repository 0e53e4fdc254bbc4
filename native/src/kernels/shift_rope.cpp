// KV shift (paper section 2.2) and rotary embedding in one pass over the rows of a projection.
#include "kernels/entry_points.h"
#include "kernels/parallel.h"
#include "kernels/vector.h"
#include "kernels/workspace.h"

namespace kvshift::KVSHIFT_ISA {
namespace {

// Which of the two steps a call takes.
template <bool Shifted, bool Rotated>
struct Steps {
    static constexpr bool shifted = Shifted;
    static constexpr bool rotated = Rotated;
};

template <typename Call, typename Body>
void with_steps(const Call& call, Body&& body) {
    const bool rotated = call.cosine != nullptr;
    if (call.shift != nullptr) {
        rotated ? body(Steps<true, true>{}) : body(Steps<true, false>{});
    } else {
        rotated ? body(Steps<false, true>{}) : body(Steps<false, false>{});
    }
}

template <typename T, typename Steps>
KVSHIFT_INLINE void forward_head(const T* x, const T* previous, T of_current, T of_previous, const T* cosine, const T* sine,
                                 int64_t head_size, T* y) {
    const auto mixed = [&](int64_t index, auto lanes) {
        const Vector<T> current = lanes.load(x + index);
        if constexpr (!Steps::shifted) return current;
        const Vector<T> scaled = current * of_current;
        return previous == nullptr ? scaled : scaled + lanes.load(previous + index) * of_previous;
    };
    if constexpr (Steps::rotated) {
        const int64_t half = head_size / 2;
        for_each_vector<T>(half, [&](int64_t index, auto lanes, int) {
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
template <typename T, typename Steps>
KVSHIFT_INLINE void rotate_back(const T* dy, const T* cosine, const T* sine, int64_t head_size, T* dmixed) {
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

// dx_t = shift[1] dmixed_t + shift[0] dmixed_{t+1}, the second where t + 1 is of the same document. The dot products of dmixed_t
// with x_t and x_{t-1} are added lane by lane to dots[0] and dots[1].
template <typename T>
KVSHIFT_INLINE void backward_head(const T* x, const T* previous, const T* dmixed, const T* dmixed_next, T of_current, T of_previous,
                                  int64_t head_size, T* dx, T* dots) {
    Vector<T> current_dots[4] = {}, previous_dots[4] = {};
    for_each_vector<T>(head_size, [&](int64_t index, auto lanes, int slot) {
        const Vector<T> gradient = lanes.load(dmixed + index);
        Vector<T> result = gradient * of_current;
        if (dmixed_next != nullptr) result += lanes.load(dmixed_next + index) * of_previous;
        lanes.store(dx + index, result);
        current_dots[slot] += gradient * lanes.load(x + index);
        if (previous != nullptr) previous_dots[slot] += gradient * lanes.load(previous + index);
    });
    store<T>(dots, load<T>(dots) + sum_of_slots<T>(current_dots));
    store<T>(dots + width<T>, load<T>(dots + width<T>) + sum_of_slots<T>(previous_dots));
}

// One block of rows. dmixed holds two rows, this token's and the next one's, and change places as the block advances; dots
// [heads, 2, width] is overwritten.
template <typename T>
struct BackwardScratch {
    T* dmixed[2];
    T* dots;
};

template <typename T, typename Steps>
void rotate_row_back(const ShiftRopeBackward<T>& call, int64_t row, T* dmixed) {
    const int64_t half = call.head_size / 2;
    const T* cosine = Steps::rotated ? call.cosine + call.positions[row] * half : nullptr;
    const T* sine = Steps::rotated ? call.sine + call.positions[row] * half : nullptr;
    for (int64_t head = 0; head < call.heads; ++head) {
        const int64_t offset = head * call.head_size;
        rotate_back<T, Steps>(call.dy + row * call.heads * call.head_size + offset, cosine, sine, call.head_size, dmixed + offset);
    }
}

template <typename T, typename Steps>
void backward_block(const ShiftRopeBackward<T>& call, int64_t begin, int64_t end, BackwardScratch<T> scratch) {
    if constexpr (!Steps::shifted) {
        for (int64_t row = begin; row < end; ++row) rotate_row_back<T, Steps>(call, row, call.dx + row * call.dx_stride);
        return;
    }
    for (int64_t index = 0; index < call.heads * 2 * width<T>; ++index) scratch.dots[index] = T(0);
    T* current = scratch.dmixed[0];
    T* next = scratch.dmixed[1];
    rotate_row_back<T, Steps>(call, begin, current);
    for (int64_t row = begin; row < end; ++row) {
        const bool has_previous = row % call.tokens != 0 && call.positions[row] != 0;
        const bool has_next = (row + 1) % call.tokens != 0 && call.positions[row + 1] != 0;
        if (has_next || row + 1 < end) rotate_row_back<T, Steps>(call, row + 1, next);
        for (int64_t head = 0; head < call.heads; ++head) {
            const int64_t offset = head * call.head_size;
            const T* x = call.x + row * call.x_stride + offset;
            backward_head<T>(x, has_previous ? x - call.x_stride : nullptr, current + offset, has_next ? next + offset : nullptr,
                             call.shift[2 * head + 1], call.shift[2 * head], call.head_size,
                             call.dx + row * call.dx_stride + offset, scratch.dots + head * 2 * width<T>);
        }
        T* free_row = current;
        current = next;
        next = free_row;
    }
}

}  // namespace

template <typename T>
void shift_rope_forward(const ShiftRopeForward<T>& call, int threads) {
    const int64_t rows = call.batch * call.tokens, columns = call.heads * call.head_size, half = call.head_size / 2;
    with_steps(call, [&](auto steps) {
        using Steps = decltype(steps);
        parallel_for(threads_for(rows * columns, threads), rows, [&](int64_t row) {
            const int32_t position = call.positions[row];
            const bool has_previous = row % call.tokens != 0 && position != 0;
            for (int64_t head = 0; head < call.heads; ++head) {
                const T* x = call.x + row * call.x_stride + head * call.head_size;
                forward_head<T, Steps>(
                    x, has_previous ? x - call.x_stride : nullptr, Steps::shifted ? call.shift[2 * head + 1] : T(1),
                    Steps::shifted ? call.shift[2 * head] : T(0), Steps::rotated ? call.cosine + position * half : nullptr,
                    Steps::rotated ? call.sine + position * half : nullptr, call.head_size,
                    call.y + row * columns + head * call.head_size);
            }
        });
    });
}

template <typename T>
void shift_rope_backward(const ShiftRopeBackward<T>& call, int threads) {
    const int64_t rows = call.batch * call.tokens, columns = call.heads * call.head_size;
    const RowBlocks blocks(rows);
    const int64_t dots_per_block = call.heads * 2 * width<T>;
    const int64_t block_elements = 2 * columns + dots_per_block;
    const Workspace workspace(call.shift == nullptr ? 0 : static_cast<size_t>(blocks.count * block_elements) * sizeof(T));
    T* scratch = reinterpret_cast<T*>(workspace.data());
    const auto block_scratch = [&](int64_t block) {
        T* base = scratch + (call.shift == nullptr ? 0 : block * block_elements);
        return BackwardScratch<T>{{base + dots_per_block, base + dots_per_block + columns}, base};
    };

    with_steps(call, [&](auto steps) {
        parallel_for(threads_for(rows * columns, threads), blocks.count, [&](int64_t block) {
            backward_block<T, decltype(steps)>(call, blocks.begin(block), blocks.end(block), block_scratch(block));
        });
    });
    if (call.shift == nullptr) return;
    for (int64_t head = 0; head < call.heads; ++head) {
        Vector<T> to_current = {}, to_previous = {};
        for (int64_t block = 0; block < blocks.count; ++block) {
            const T* dots = block_scratch(block).dots + head * 2 * width<T>;
            to_current += load<T>(dots);
            to_previous += load<T>(dots + width<T>);
        }
        call.dshift[2 * head + 1] = horizontal_sum<T>(to_current);
        call.dshift[2 * head] = horizontal_sum<T>(to_previous);
    }
}

template void shift_rope_forward(const ShiftRopeForward<float>&, int);
template void shift_rope_forward(const ShiftRopeForward<double>&, int);
template void shift_rope_backward(const ShiftRopeBackward<float>&, int);
template void shift_rope_backward(const ShiftRopeBackward<double>&, int);

}  // namespace kvshift::KVSHIFT_ISA
