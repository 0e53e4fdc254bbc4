// Attention with an online softmax over blocks of keys (Dao et al. 2022): no more than one block of scores exists at a time.
#include <cmath>

#include "kernels/attention_block.h"
#include "kernels/entry_points.h"
#include "kernels/exponential.h"
#include "kernels/workspace.h"

namespace kvshift::KVSHIFT_ISA {
namespace {

// A lower bound of every score that takes part, finite so that the difference of two of them is never infinity - infinity.
template <typename T>
constexpr T no_maximum = sizeof(T) == sizeof(float) ? -__FLT_MAX__ : -__DBL_MAX__;

template <typename T>
struct ForwardScratch {
    T* keys;         // [tokens, padded]
    T* values;       // [tokens, padded]
    T* queries;      // [query_block, padded]
    T* queries_t;    // [padded, query_block], times scale
    T* scores;       // [key_block, query_block]
    T* sums;         // [query_block, padded]: the output before its division
    T* largest;      // [query_block]: maximum so far
    T* denominator;  // [query_block]
    T* block_largest;

    ForwardScratch(Pieces& pieces, int64_t tokens, int64_t padded)
        : keys(pieces.take<T>(tokens * padded)),
          values(pieces.take<T>(tokens * padded)),
          queries(pieces.take<T>(query_block * padded)),
          queries_t(pieces.take<T>(query_block * padded)),
          scores(pieces.take<T>(key_block * query_block)),
          sums(pieces.take<T>(query_block * padded)),
          largest(pieces.take<T>(query_block)),
          denominator(pieces.take<T>(query_block)),
          block_largest(pieces.take<T>(query_block)) {}
};

// Masks the scores of one strip of keys where Masked, and raises block_largest to its maxima.
template <typename T, bool Masked>
KVSHIFT_INLINE void take_maxima(const ForwardScratch<T>& scratch, const QueryRange<T>& queries, const VisiblePart<T>& part,
                                int strip) {
    const int begin = strip * tile_rows, end = begin + tile_rows < part.keys ? begin + tile_rows : part.keys;
    const Span span = part.queries_of[strip];
    for (int query = span.begin; query < span.end; query += width<T>) {
        Vector<T> largest = load<T>(scratch.block_largest + query);
        for (int key = begin; key < end; ++key) {
            T* at = scratch.scores + key * query_block + query;
            Vector<T> score = load<T>(at);
            if constexpr (Masked) {
                score = part.sees(queries, query, key) ? score : broadcast<T>(-__builtin_inf());
                store<T>(at, score);
            }
            largest = maximum<T>(largest, score);
        }
        store<T>(scratch.block_largest + query, largest);
    }
}

// Scores of one strip of keys become exp(score - largest), zero where not visible; their sum is added to denominator.
template <typename T>
KVSHIFT_INLINE void take_exponentials(const ForwardScratch<T>& scratch, int padded, const VisiblePart<T>& part, int strip) {
    const int begin = strip * tile_rows, end = begin + tile_rows < part.keys ? begin + tile_rows : part.keys;
    const Span span = part.queries_of[strip];
    for (int query = 0; query < padded; query += width<T>) {
        if (query < span.begin || query >= span.end) {
            for (int key = begin; key < end; ++key) store<T>(scratch.scores + key * query_block + query, Vector<T>{});
            continue;
        }
        const Vector<T> largest = load<T>(scratch.largest + query);
        Vector<T> sum = load<T>(scratch.denominator + query);
        for (int key = begin; key < end; ++key) {
            T* at = scratch.scores + key * query_block + query;
            const Vector<T> value = exponential<T>(load<T>(at) - largest);
            store<T>(at, value);
            sum += value;
        }
        store<T>(scratch.denominator + query, sum);
    }
}

// Rescales what was summed under the old maxima. Most blocks after the first few raise none.
template <typename T>
void raise_maxima(const ForwardScratch<T>& scratch, int count, int64_t padded) {
    for (int query = 0; query < query_block; query += width<T>) {
        const Vector<T> before = load<T>(scratch.largest + query);
        const Vector<T> after = maximum<T>(before, load<T>(scratch.block_largest + query));
        const Vector<T> factor = exponential<T>(before - after);
        store<T>(scratch.largest + query, after);
        store<T>(scratch.denominator + query, load<T>(scratch.denominator + query) * factor);
        for (int lane = 0; lane < width<T> && query + lane < count; ++lane) {
            if (factor[lane] == T(1)) continue;
            T* row = scratch.sums + (query + lane) * padded;
            for (int64_t column = 0; column < padded; column += width<T>)
                store<T>(row + column, load<T>(row + column) * factor[lane]);
        }
    }
}

template <typename T>
void attend_to_block(const ForwardScratch<T>& scratch, const QueryRange<T>& queries, int64_t first_key, int64_t head_size,
                     int64_t padded) {
    const VisiblePart<T> part(queries, first_key);
    const Span depth = {0, static_cast<int>(head_size)}, columns = {0, static_cast<int>(padded)};
    block_product<T, Access::by_row, Target::overwritten>(part.keys, Left<T>{scratch.keys + first_key * padded, padded},
                                                          Right<T>{scratch.queries_t, query_block}, scratch.scores, query_block,
                                                          [&](int strip) {
                                                              return StripSpans{part.queries_of[strip], depth};
                                                          });

    for (int query = 0; query < query_block; query += width<T>)
        store<T>(scratch.block_largest + query, broadcast<T>(no_maximum<T>));
    const int strips = static_cast<int>(divide_up(part.keys, tile_rows));
    for (int strip = 0; strip < strips; ++strip) {
        part.whole ? take_maxima<T, false>(scratch, queries, part, strip) : take_maxima<T, true>(scratch, queries, part, strip);
    }
    raise_maxima(scratch, queries.count, padded);
    for (int strip = 0; strip < strips; ++strip) take_exponentials(scratch, queries.padded(), part, strip);

    block_product<T, Access::by_column, Target::added_to>(queries.count, Left<T>{scratch.scores, query_block},
                                                          Right<T>{scratch.values + first_key * padded, padded}, scratch.sums,
                                                          padded, [&](int strip) {
                                                              return StripSpans{columns, part.keys_of[strip]};
                                                          });
}

template <typename S, typename T = Computed<S>>
void attend(const AttentionForward<S>& call, const ForwardScratch<T>& scratch, int64_t row, int64_t head, int64_t first_query) {
    const int64_t padded = round_up(call.head_size, width<T>), stride = call.heads * call.head_size;
    const QueryRange<T> queries(call.positions + row * call.tokens, call.window, first_query, call.query_begin + call.query_count);
    const int64_t query_row = first_query - call.query_begin;
    const int64_t offset = (row * call.query_count + query_row) * stride + head * call.head_size;
    pack_rows(call.q + offset, stride, queries.count, call.head_size, padded, scratch.queries);
    __builtin_memset(scratch.queries + queries.count * padded, 0,
                     static_cast<size_t>((query_block - queries.count) * padded) * sizeof(T));
    transpose_rows(scratch.queries, padded, call.scale, scratch.queries_t);
    for (int query = 0; query < query_block; query += width<T>) {
        store<T>(scratch.largest + query, broadcast<T>(no_maximum<T>));
        store<T>(scratch.denominator + query, Vector<T>{});
    }
    __builtin_memset(scratch.sums, 0, static_cast<size_t>(query_block * padded) * sizeof(T));

    for (int64_t key = queries.first_key_block(); key < queries.end(); key += key_block) {
        attend_to_block(scratch, queries, key, call.head_size, padded);
    }
    T* log_sum_exp = call.log_sum_exp + (row * call.heads + head) * call.query_count + query_row;
    for (int query = 0; query < queries.count; ++query) {
        const T denominator = scratch.denominator[query], factor = T(1) / denominator;
        log_sum_exp[query] =
            scratch.largest[query] + (sizeof(T) == sizeof(float) ? __builtin_logf(denominator) : __builtin_log(denominator));
        const T* from = scratch.sums + query * padded;
        S* to = call.out + offset + query * stride;
        for_each_vector<T>(call.head_size,
                           [&](int64_t column, auto lanes, int) { lanes.store(to + column, load<T>(from + column) * factor); });
    }
}

}  // namespace

// One task is every parts-th block of queries of the heads that share a kv head: blocks late in a row see more keys than early
// ones, so neighbours go to different tasks.
template <typename S>
void attention_forward(const AttentionForward<S>& call, int threads) {
    using T = Computed<S>;
    if (call.batch * call.query_count == 0) return;
    const int64_t padded = round_up(call.head_size, width<T>), group = call.heads / call.kv_heads;
    const int64_t blocks = divide_up(call.query_count, query_block), pairs = call.batch * call.kv_heads;
    const int64_t parts = smaller(blocks, threads == 1 || pairs >= 4 * threads ? 1 : divide_up(4 * threads, pairs));
    // Keys after the last query are seen by nobody.
    const int64_t kv_stride = call.kv_heads * call.head_size, keys = call.query_begin + call.query_count;

    Pieces counted(nullptr);
    ForwardScratch<T>(counted, keys, padded);
    const Workspace workspace(static_cast<size_t>(counted.used() * threads));

#pragma omp parallel for num_threads(threads) schedule(dynamic) if (threads > 1)
    for (int64_t task = 0; task < pairs * parts; ++task) {
        Pieces pieces(workspace.data() + counted.used() * omp_get_thread_num());
        const ForwardScratch<T> scratch(pieces, keys, padded);
        const int64_t pair = task / parts, row = pair / call.kv_heads, kv_head = pair % call.kv_heads;
        const int64_t offset = row * call.tokens * kv_stride + kv_head * call.head_size;
        pack_rows(call.k + offset, kv_stride, keys, call.head_size, padded, scratch.keys);
        pack_rows(call.v + offset, kv_stride, keys, call.head_size, padded, scratch.values);
        for (int64_t head = kv_head * group; head < (kv_head + 1) * group; ++head) {
            for (int64_t block = task % parts; block < blocks; block += parts)
                attend(call, scratch, row, head, call.query_begin + block * query_block);
        }
    }
}

template void attention_forward(const AttentionForward<float>&, int);
template void attention_forward(const AttentionForward<double>&, int);
template void attention_forward(const AttentionForward<BFloat16>&, int);

}  // namespace kvshift::KVSHIFT_ISA
