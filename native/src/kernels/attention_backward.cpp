// Gradient of attention from the kept log-sum-exp: the probabilities of a block are computed again. With scores transposed
// (keys by rows), P = exp(S - log_sum_exp), dP = V dO^T, dS = scale P (dP - rowsum(dO O)):
//   dV += P dO,   dK += dS Q,   dQ += dS^T K.
// The outer loop takes as many keys as the second-level cache holds with their values and both gradients; dQ is carried from one
// such chunk to the next in the output itself, or beside it where the output has fewer bits.
#include "kernels/attention_block.h"
#include "kernels/entry_points.h"
#include "kernels/exponential.h"
#include "kernels/workspace.h"

namespace kvshift::KVSHIFT_ISA {
namespace {

constexpr int64_t chunk_byte_count = 512 * 1024;

// Keys of one chunk, in whole blocks.
template <typename T>
int64_t chunk_keys(int64_t tokens, int64_t padded) {
    const int64_t fitting = chunk_byte_count / (4 * padded * static_cast<int64_t>(sizeof(T))) / key_block * key_block;
    return smaller(round_up(tokens, key_block), larger(key_block, fitting));
}

template <typename T>
struct BackwardScratch {
    T* keys;           // [chunk, padded]
    T* values;         // [chunk, padded]
    T* dkeys;          // [chunk, padded]
    T* dvalues;        // [chunk, padded]
    T* queries;        // [query_block, padded]
    T* queries_t;      // [padded, query_block], times scale
    T* dout;           // [query_block, padded]
    T* dout_t;         // [padded, query_block]
    T* dqueries;       // [query_block, padded]
    T* probabilities;  // [key_block, query_block]
    T* dscores;        // [key_block, query_block]
    T* log_sum_exp;    // [query_block]
    T* dot_with_out;   // [query_block]: rowsum(dO O)
    T* carried;        // [group, query_count, head_size], or nothing

    BackwardScratch(Pieces& pieces, int64_t chunk, int64_t padded, int64_t carried_count)
        : keys(pieces.take<T>(chunk * padded)),
          values(pieces.take<T>(chunk * padded)),
          dkeys(pieces.take<T>(chunk * padded)),
          dvalues(pieces.take<T>(chunk * padded)),
          queries(pieces.take<T>(query_block * padded)),
          queries_t(pieces.take<T>(query_block * padded)),
          dout(pieces.take<T>(query_block * padded)),
          dout_t(pieces.take<T>(query_block * padded)),
          dqueries(pieces.take<T>(query_block * padded)),
          probabilities(pieces.take<T>(key_block * query_block)),
          dscores(pieces.take<T>(key_block * query_block)),
          log_sum_exp(pieces.take<T>(query_block)),
          dot_with_out(pieces.take<T>(query_block)),
          carried(pieces.take<T>(carried_count)) {}
};

// Scores and dP of one strip of keys become P and dS, zero where not visible.
template <typename T, bool Masked>
KVSHIFT_INLINE void differentiate(const BackwardScratch<T>& scratch, const QueryRange<T>& queries, const VisiblePart<T>& part,
                                  T scale, int strip) {
    const int begin = strip * tile_rows, end = begin + tile_rows < part.keys ? begin + tile_rows : part.keys;
    const Span span = part.queries_of[strip];
    for (int query = 0; query < queries.padded(); query += width<T>) {
        T* probabilities = scratch.probabilities + query;
        T* dscores = scratch.dscores + query;
        if (query < span.begin || query >= span.end) {
            for (int key = begin; key < end; ++key) {
                store<T>(probabilities + key * query_block, Vector<T>{});
                store<T>(dscores + key * query_block, Vector<T>{});
            }
            continue;
        }
        const Vector<T> log_sum_exp = load<T>(scratch.log_sum_exp + query), dot = load<T>(scratch.dot_with_out + query);
        for (int key = begin; key < end; ++key) {
            Vector<T> p = exponential<T>(load<T>(probabilities + key * query_block) - log_sum_exp);
            if constexpr (Masked) p = part.sees(queries, query, key) ? p : Vector<T>{};
            store<T>(probabilities + key * query_block, p);
            store<T>(dscores + key * query_block, p * (load<T>(dscores + key * query_block) - dot) * scale);
        }
    }
}

template <typename T>
void differentiate_block(const BackwardScratch<T>& scratch, const QueryRange<T>& queries, int64_t first_key, int64_t chunk_begin,
                         T scale, int64_t head_size, int64_t padded) {
    const int64_t at = (first_key - chunk_begin) * padded;
    const VisiblePart<T> part(queries, first_key);
    const Span depth = {0, static_cast<int>(head_size)}, columns = {0, static_cast<int>(padded)};
    const auto seen_by_queries = [&](int strip) { return StripSpans{part.queries_of[strip], depth}; };
    const auto over_queries = [&](int strip) { return StripSpans{columns, part.queries_of[strip]}; };
    const auto over_keys = [&](int strip) { return StripSpans{columns, part.keys_of[strip]}; };
    const Left<T> keys = {scratch.keys + at, padded}, values = {scratch.values + at, padded};

    block_product<T, Access::by_row, Target::overwritten>(part.keys, keys, Right<T>{scratch.queries_t, query_block},
                                                          scratch.probabilities, query_block, seen_by_queries);
    block_product<T, Access::by_row, Target::overwritten>(part.keys, values, Right<T>{scratch.dout_t, query_block}, scratch.dscores,
                                                          query_block, seen_by_queries);
    for (int strip = 0; strip * tile_rows < part.keys; ++strip) {
        part.whole ? differentiate<T, false>(scratch, queries, part, scale, strip)
                   : differentiate<T, true>(scratch, queries, part, scale, strip);
    }
    block_product<T, Access::by_row, Target::added_to>(part.keys, Left<T>{scratch.probabilities, query_block},
                                                       Right<T>{scratch.dout, padded}, scratch.dvalues + at, padded, over_queries);
    block_product<T, Access::by_row, Target::added_to>(part.keys, Left<T>{scratch.dscores, query_block},
                                                       Right<T>{scratch.queries, padded}, scratch.dkeys + at, padded, over_queries);
    block_product<T, Access::by_column, Target::added_to>(queries.count, Left<T>{scratch.dscores, query_block},
                                                          Right<T>{keys.data, padded}, scratch.dqueries, padded, over_keys);
}

template <typename S, typename T = Computed<S>>
T dot(const S* a, const S* b, int64_t count) {
    Vector<T> sums[4] = {};
    for_each_vector<T>(count,
                       [&](int64_t index, auto lanes, int slot) { sums[slot] += lanes.load(a + index) * lanes.load(b + index); });
    return horizontal_sum<T>(sum_of_slots<T>(sums));
}

template <typename S, typename T = Computed<S>>
void unpack_rows(const T* from, int64_t from_stride, int64_t count, int64_t columns, S* to, int64_t stride) {
    for (int64_t row = 0; row < count; ++row, from += from_stride, to += stride) {
        for_each_vector<T>(columns, [&](int64_t column, auto lanes, int) { lanes.store(to + column, lanes.load(from + column)); });
    }
}

// Keys [begin, end) of one row of the batch.
struct Chunk {
    int64_t row, begin, end;
};

// The block of queries that the first query at or after a key is in; blocks are counted from the first query, so that every chunk
// of keys meets the same ones.
template <typename S>
int64_t first_block(const AttentionBackward<S>& call, int64_t key) {
    return call.query_begin + larger(0, key - call.query_begin) / query_block * query_block;
}

template <typename S>
constexpr bool carries_in_output = sizeof(S) == sizeof(Computed<S>);

// Rows of the gradient of one head's queries that sums over chunks of keys are taken in.
template <typename T>
struct QueryGradient {
    T* data;
    int64_t stride;
};

template <typename S, typename T = Computed<S>>
QueryGradient<T> query_gradient(const AttentionBackward<S>& call, const BackwardScratch<T>& scratch, int64_t row, int64_t head) {
    if constexpr (carries_in_output<S>) {
        return {call.dq + (row * call.query_count * call.heads + head) * call.head_size, call.heads * call.head_size};
    } else {
        return {scratch.carried + head % (call.heads / call.kv_heads) * call.query_count * call.head_size, call.head_size};
    }
}

// What one block of queries of one head adds to the gradients of a chunk of keys, and the chunk to the gradient of the queries. False when
// neither these queries nor any after them see the chunk.
template <typename S, typename T = Computed<S>>
bool differentiate_queries(const AttentionBackward<S>& call, const BackwardScratch<T>& scratch, const Chunk& chunk, int64_t head,
                           int64_t first_query) {
    const QueryRange<T> queries(call.positions + chunk.row * call.tokens, call.window, first_query, call.query_begin + call.query_count);
    const int64_t first_key = larger(chunk.begin, queries.first_key_block());
    if (first_key >= chunk.end) return false;

    const int64_t padded = round_up(call.head_size, width<T>), stride = call.heads * call.head_size;
    const int64_t query_row = first_query - call.query_begin;
    const int64_t offset = (chunk.row * call.query_count + query_row) * stride + head * call.head_size;
    const size_t missing_byte_count = static_cast<size_t>((query_block - queries.count) * padded) * sizeof(T);
    pack_rows(call.q + offset, stride, queries.count, call.head_size, padded, scratch.queries);
    pack_rows(call.dout + offset, stride, queries.count, call.head_size, padded, scratch.dout);
    __builtin_memset(scratch.queries + queries.count * padded, 0, missing_byte_count);
    __builtin_memset(scratch.dout + queries.count * padded, 0, missing_byte_count);
    transpose_rows(scratch.queries, padded, call.scale, scratch.queries_t);
    transpose_rows(scratch.dout, padded, T(1), scratch.dout_t);
    const QueryGradient<T> of_head = query_gradient(call, scratch, chunk.row, head);
    T* carried = of_head.data + query_row * of_head.stride;
    if (queries.first_key_block() >= chunk.begin) {
        __builtin_memset(scratch.dqueries, 0, static_cast<size_t>(query_block * padded) * sizeof(T));
    } else {
        pack_rows(carried, of_head.stride, queries.count, call.head_size, padded, scratch.dqueries);
    }

    const T* log_sum_exp = call.log_sum_exp + (chunk.row * call.heads + head) * call.query_count + query_row;
    for (int query = 0; query < query_block; ++query) {
        const bool present = query < queries.count;
        const int64_t at = offset + query * stride;
        scratch.log_sum_exp[query] = present ? log_sum_exp[query] : T(__builtin_inf());
        scratch.dot_with_out[query] = present ? dot(call.dout + at, call.out + at, call.head_size) : T(0);
    }
    for (int64_t key = first_key; key < smaller(queries.end(), chunk.end); key += key_block) {
        differentiate_block(scratch, queries, key, chunk.begin, call.scale, call.head_size, padded);
    }
    unpack_rows(scratch.dqueries, padded, queries.count, call.head_size, carried, of_head.stride);
    return true;
}

template <typename S, typename T = Computed<S>>
void differentiate_chunk(const AttentionBackward<S>& call, const BackwardScratch<T>& scratch, const Chunk& chunk, int64_t kv_head) {
    const int64_t padded = round_up(call.head_size, width<T>), group = call.heads / call.kv_heads;
    const int64_t stride = call.kv_heads * call.head_size, count = chunk.end - chunk.begin;
    const int64_t offset = (chunk.row * call.tokens + chunk.begin) * stride + kv_head * call.head_size;
    const size_t byte_count = static_cast<size_t>(count * padded) * sizeof(T);
    pack_rows(call.k + offset, stride, count, call.head_size, padded, scratch.keys);
    pack_rows(call.v + offset, stride, count, call.head_size, padded, scratch.values);
    __builtin_memset(scratch.dkeys, 0, byte_count);
    __builtin_memset(scratch.dvalues, 0, byte_count);
    for (int64_t head = kv_head * group; head < (kv_head + 1) * group; ++head) {
        for (int64_t query = first_block(call, chunk.begin); query < call.query_begin + call.query_count; query += query_block) {
            if (!differentiate_queries(call, scratch, chunk, head, query)) break;
        }
    }
    unpack_rows(scratch.dkeys, padded, count, call.head_size, call.dk + offset, stride);
    unpack_rows(scratch.dvalues, padded, count, call.head_size, call.dv + offset, stride);
}

// The gradients of the queries of all heads that read a kv head, where they were carried beside the output.
template <typename S, typename T = Computed<S>>
void put_query_gradients(const AttentionBackward<S>& call, const BackwardScratch<T>& scratch, int64_t row, int64_t kv_head) {
    const int64_t group = call.heads / call.kv_heads, stride = call.heads * call.head_size;
    for (int64_t head = kv_head * group; head < (kv_head + 1) * group; ++head) {
        const QueryGradient<T> of_head = query_gradient(call, scratch, row, head);
        unpack_rows(of_head.data, of_head.stride, call.query_count, call.head_size,
                    call.dq + row * call.query_count * stride + head * call.head_size, stride);
    }
}

}  // namespace

// One task is a kv head of one row with all the query heads that read it, so that its dk and dv have one writer.
template <typename S>
void attention_backward(const AttentionBackward<S>& call, int threads) {
    using T = Computed<S>;
    if (call.batch * call.tokens == 0) return;
    const int64_t padded = round_up(call.head_size, width<T>), keys = chunk_keys<T>(call.tokens, padded);
    const int64_t carried = carries_in_output<S> ? 0 : call.heads / call.kv_heads * call.query_count * call.head_size;
    Pieces counted(nullptr);
    BackwardScratch<T>(counted, keys, padded, carried);
    const Workspace workspace(static_cast<size_t>(counted.used() * threads));

#pragma omp parallel for num_threads(threads) schedule(dynamic) if (threads > 1)
    for (int64_t task = 0; task < call.batch * call.kv_heads; ++task) {
        Pieces pieces(workspace.data() + counted.used() * omp_get_thread_num());
        const BackwardScratch<T> scratch(pieces, keys, padded, carried);
        const int64_t row = task / call.kv_heads, kv_head = task % call.kv_heads;
        for (int64_t begin = 0; begin < call.tokens; begin += keys) {
            differentiate_chunk(call, scratch, {row, begin, smaller(call.tokens, begin + keys)}, kv_head);
        }
        if constexpr (!carries_in_output<S>) put_query_gradients(call, scratch, row, kv_head);
    }
}

template void attention_backward(const AttentionBackward<float>&, int);
template void attention_backward(const AttentionBackward<double>&, int);
template void attention_backward(const AttentionBackward<BFloat16>&, int);

}  // namespace kvshift::KVSHIFT_ISA
