// What the forward and the backward pass of attention share: the shape of a block of scores, which part of it the documents and
// causality leave, and packing of rows into contiguous, padded blocks.
//
// A block of scores is held transposed, [key_block keys, query_block queries]: what belongs to a query (maximum, sum, mask bounds)
// is then a lane, reductions over keys are vertical, and every product of both passes reads it without a transposition.
#pragma once

#include "kernels/parallel.h"
#include "kernels/tile_product.h"
#include "kernels/vector.h"

namespace kvshift::KVSHIFT_ISA {

constexpr int query_block = 64;
constexpr int key_block = 64;
constexpr int query_strips = (query_block + tile_rows - 1) / tile_rows;
constexpr int key_strips = (key_block + tile_rows - 1) / tile_rows;

// Takes 64-byte aligned pieces off a workspace. Without one it only counts, which is how the size is found.
class Pieces {
public:
    explicit Pieces(char* base) : base_(base) {}

    template <typename T>
    T* take(int64_t count) {
        const int64_t at = used_;
        used_ += round_up(count * static_cast<int64_t>(sizeof(T)), 64);
        return base_ == nullptr ? nullptr : reinterpret_cast<T*>(base_ + at);
    }

    int64_t used() const { return used_; }

private:
    char* base_;
    int64_t used_ = 0;
};

// Queries first .. first + count - 1 of one row of the batch. Query i sees keys low[i] .. first + i; both bounds grow with i. A window of
// 0 is all of the document so far.
template <typename T>
struct QueryRange {
    int64_t first;
    int count;
    Integer<T> low[query_block];

    QueryRange(const int32_t* positions, int64_t window, int64_t first_query, int64_t tokens)
        : first(first_query), count(static_cast<int>(smaller(query_block, tokens - first_query))) {
        for (int query = 0; query < count; ++query) {
            const int64_t position = positions[first + query];
            low[query] = static_cast<Integer<T>>(first + query - (window == 0 ? position : smaller(position, window - 1)));
        }
        for (int query = count; query < query_block; ++query) low[query] = low[count - 1];
    }

    // Queries in whole vectors; those beyond count hold zeros and are never stored.
    int padded() const { return static_cast<int>(round_up(count, width<T>)); }
    int64_t first_key_block() const { return low[0] / key_block * key_block; }
    int64_t end() const { return first + count; }
};

// The part of a block of keys that the queries see, per strip of keys (which queries) and per strip of queries (which keys).
template <typename T>
struct VisiblePart {
    int64_t first_key;
    int keys;
    bool whole;
    Span queries_of[key_strips];
    Span keys_of[query_strips];

    VisiblePart(const QueryRange<T>& queries, int64_t key)
        : first_key(key),
          keys(static_cast<int>(smaller(key_block, queries.end() - key))),
          whole(queries.low[queries.count - 1] <= key && key + keys <= queries.first + 1) {
        const int padded = queries.padded();
        if (whole) {
            for (Span& span : queries_of) span = {0, padded};
            for (Span& span : keys_of) span = {0, keys};
            return;
        }
        const int diagonal = static_cast<int>(queries.first - first_key);
        int last = 0;
        for (int strip = 0; strip * tile_rows < keys; ++strip) {
            const int begin = strip * tile_rows, end = begin + tile_rows;
            while (last < queries.count && queries.low[last] - first_key < end) ++last;
            int first = begin - diagonal < 0 ? 0 : begin - diagonal;
            first = first / width<T> * width<T>;
            const int bound = static_cast<int>(round_up(last, width<T>));
            queries_of[strip] = {first, first < bound ? bound : first};
        }
        for (int strip = 0; strip * tile_rows < queries.count; ++strip) {
            const int begin = strip * tile_rows;
            const int end = begin + tile_rows < queries.count ? begin + tile_rows : queries.count;
            const int low = static_cast<int>(larger(0, queries.low[begin] - first_key));
            const int high = static_cast<int>(smaller(keys, diagonal + end));
            keys_of[strip] = {low, low < high ? high : low};
        }
    }

    // Lanes that see key among the queries from query on: all ones or all zeros.
    KVSHIFT_INLINE IntegerVector<T> sees(const QueryRange<T>& queries, int query, int key) const {
        IntegerVector<T> low, number;
        __builtin_memcpy(&low, queries.low + query, sizeof(low));
        for (int lane = 0; lane < width<T>; ++lane) number[lane] = lane;
        const Integer<T> position = static_cast<Integer<T>>(first_key + key);
        return (low <= position) & (number >= static_cast<Integer<T>>(position - queries.first - query));
    }
};

// count rows of columns elements, stride apart, into rows of padded elements with zeros behind them.
template <typename S, typename T = Computed<S>>
void pack_rows(const S* from, int64_t stride, int64_t count, int64_t columns, int64_t padded, T* to) {
    for (int64_t row = 0; row < count; ++row, from += stride, to += padded) {
        for_each_vector<T>(columns, [&](int64_t column, auto lanes, int) { lanes.store(to + column, lanes.load(from + column)); });
        for (int64_t column = columns; column < padded; ++column) to[column] = T(0);
    }
}

// Packed rows [query_block, padded] times factor, transposed: to [padded, query_block].
template <typename T>
void transpose_rows(const T* from, int64_t padded, T factor, T* to) {
    for (int row = 0; row < query_block; row += width<T>) {
        for (int64_t column = 0; column < padded; column += width<T>) {
            Vector<T> square[width<T>];
#pragma GCC unroll 16
            for (int lane = 0; lane < width<T>; ++lane) square[lane] = load<T>(from + (row + lane) * padded + column) * factor;
            transpose<T>(square);
#pragma GCC unroll 16
            for (int lane = 0; lane < width<T>; ++lane) store<T>(to + (column + lane) * query_block + row, square[lane]);
        }
    }
}

}  // namespace kvshift::KVSHIFT_ISA
