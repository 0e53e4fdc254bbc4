// Threads over independent pieces of work. The pieces never depend on the number of threads, only who takes which does.
#pragma once

#include <cstdint>

#include <omp.h>

namespace kvshift::KVSHIFT_ISA {

// Below this many elements, waking a thread costs more than it saves.
constexpr int64_t parallel_threshold = 16384;

inline int threads_for(int64_t element_count, int threads) { return element_count < parallel_threshold ? 1 : threads; }

template <typename Body>
void parallel_for(int threads, int64_t count, Body&& body) {
    if (threads <= 1 || count <= 1) {
        for (int64_t index = 0; index < count; ++index) body(index);
        return;
    }
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t index = 0; index < count; ++index) body(index);
}

inline int64_t divide_up(int64_t value, int64_t by) { return (value + by - 1) / by; }
inline int64_t round_up(int64_t value, int64_t to) { return divide_up(value, to) * to; }
inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

// Blocks [begin, end) that a reduction over rows adds up one after another; a function of the row count alone.
constexpr int64_t most_row_blocks = 64;

struct RowBlocks {
    int64_t rows, rows_per_block, count;

    explicit RowBlocks(int64_t row_count)
        : rows(row_count),
          rows_per_block(larger(32, divide_up(row_count, most_row_blocks))),
          count(divide_up(rows, rows_per_block)) {}

    int64_t begin(int64_t block) const { return block * rows_per_block; }
    int64_t end(int64_t block) const { return smaller(rows, begin(block) + rows_per_block); }
};

}  // namespace kvshift::KVSHIFT_ISA
