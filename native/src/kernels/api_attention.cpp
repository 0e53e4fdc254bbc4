// C entry points of the shift, the rotary embedding and attention.
#include "kernels/arguments.h"
#include "kernels/dispatch.h"

using kvshift::Arguments;
using kvshift::as;
using kvshift::Computed;
using kvshift::guarded;
using kvshift::kernels_of;
using kvshift::thread_count;

namespace {

struct ShiftRopeShape {
    int64_t batch, tokens, heads, head_size;
};

constexpr int64_t most_taps = 4;

void check_shift_rope(const Arguments& arguments, const ShiftRopeShape& shape, const void* x, int64_t x_stride,
                      const void* shift, int64_t taps, const int32_t* positions, const void* cosine, const void* sine) {
    arguments.size("batch", shape.batch);
    arguments.size("tokens", shape.tokens);
    arguments.positive("heads", shape.heads);
    arguments.positive("head_size", shape.head_size);
    arguments.at_least("x_stride", x_stride, "heads * head_size", shape.heads * shape.head_size);
    const int64_t rows = shape.batch * shape.tokens;
    arguments.buffer("x", x, rows * shape.heads * shape.head_size);
    arguments.buffer("positions", positions, rows);
    arguments.together("cosine", cosine, "sine", sine);
    if (shift == nullptr ? taps != 0 : taps < 1 || taps > most_taps) {
        arguments.fail("taps is " + std::to_string(taps) + "; wanted " +
                       (shift == nullptr ? "0, as shift is null" : "1 .. " + std::to_string(most_taps)));
    }
    if (cosine != nullptr && shape.head_size % 2 != 0) {
        arguments.fail("head_size is " + std::to_string(shape.head_size) +
                       "; wanted an even one for a rotation, which works on pairs");
    }
    for (int64_t row = 0; row < rows; ++row) {
        if (positions[row] < 0) {
            arguments.fail("positions[" + std::to_string(row) + "] is " + std::to_string(positions[row]) + "; wanted 0 or more");
        }
    }
}

struct AttentionShape {
    int64_t batch, tokens, query_begin, query_count, heads, kv_heads, head_size, window;

    int64_t query_elements() const { return batch * query_count * heads * head_size; }
    int64_t key_elements() const { return batch * tokens * kv_heads * head_size; }
};

void check_attention(const Arguments& arguments, const AttentionShape& shape, const void* q, const void* k, const void* v,
                     const int32_t* positions) {
    arguments.size("batch", shape.batch);
    arguments.size("tokens", shape.tokens);
    arguments.size("query_begin", shape.query_begin);
    arguments.size("query_count", shape.query_count);
    if (shape.query_begin + shape.query_count > shape.tokens) {
        arguments.fail("query_begin + query_count is " + std::to_string(shape.query_begin + shape.query_count) +
                       "; wanted at most tokens = " + std::to_string(shape.tokens));
    }
    arguments.positive("heads", shape.heads);
    arguments.positive("kv_heads", shape.kv_heads);
    arguments.positive("head_size", shape.head_size);
    arguments.size("window", shape.window);
    if (shape.heads % shape.kv_heads != 0) {
        arguments.fail("heads is " + std::to_string(shape.heads) +
                       "; wanted a multiple of kv_heads = " + std::to_string(shape.kv_heads));
    }
    arguments.buffer("q", q, shape.query_elements());
    arguments.buffer("k", k, shape.key_elements());
    arguments.buffer("v", v, shape.key_elements());
    arguments.buffer("positions", positions, shape.batch * shape.tokens);
    for (int64_t row = 0; row < shape.batch * shape.tokens; ++row) {
        const int64_t next = row % shape.tokens == 0 ? 0 : static_cast<int64_t>(positions[row - 1]) + 1;
        if (positions[row] != 0 && positions[row] != next) {
            arguments.fail("positions[" + std::to_string(row) + "] is " + std::to_string(positions[row]) +
                           "; wanted 0 (a document begins) or " + std::to_string(next) + " (the one before plus one)");
        }
    }
}

}  // namespace

extern "C" int32_t kvs_shift_rope_forward(int32_t dtype, int64_t batch, int64_t tokens, int64_t heads, int64_t head_size,
                                          const void* x, int64_t x_stride, const void* shift, int64_t taps,
                                          const int32_t* positions, const void* cosine, const void* sine, void* y) {
    return guarded([&] {
        const Arguments arguments("kvs_shift_rope_forward");
        check_shift_rope(arguments, {batch, tokens, heads, head_size}, x, x_stride, shift, taps, positions, cosine, sine);
        arguments.buffer("y", y, batch * tokens * heads * head_size);
        arguments.with_element_type(dtype, [&](auto type) {
            using T = decltype(type);
            kernels_of<T>().shift_rope_forward({batch, tokens, heads, head_size, as(x, type), x_stride, as(shift, type), taps,
                                                positions, as(cosine, type), as(sine, type), as(y, type)},
                                               thread_count());
        });
    });
}

extern "C" int32_t kvs_shift_rope_backward(int32_t dtype, int64_t batch, int64_t tokens, int64_t heads, int64_t head_size,
                                           const void* x, int64_t x_stride, const void* shift, int64_t taps,
                                           const int32_t* positions, const void* cosine, const void* sine, const void* dy, void* dx,
                                           int64_t dx_stride, void* dshift) {
    return guarded([&] {
        const Arguments arguments("kvs_shift_rope_backward");
        check_shift_rope(arguments, {batch, tokens, heads, head_size}, x, x_stride, shift, taps, positions, cosine, sine);
        arguments.at_least("dx_stride", dx_stride, "heads * head_size", heads * head_size);
        arguments.buffer("dy", dy, batch * tokens * heads * head_size);
        arguments.buffer("dx", dx, batch * tokens * heads * head_size);
        arguments.together("shift", shift, "dshift", dshift);
        arguments.with_element_type(dtype, [&](auto type) {
            using T = decltype(type);
            kernels_of<T>().shift_rope_backward(
                {batch, tokens, heads, head_size, as(x, type), x_stride, as(shift, type), taps, positions, as(cosine, type),
                 as(sine, type), as(dy, type), as(dx, type), dx_stride, as(dshift, type)},
                thread_count());
        });
    });
}

extern "C" int32_t kvs_attention_forward(int32_t dtype, int64_t batch, int64_t tokens, int64_t query_begin,
                                         int64_t query_count, int64_t heads, int64_t kv_heads, int64_t head_size,
                                         const void* q, const void* k, const void* v, const int32_t* positions, int64_t window, double scale, void* out, void* log_sum_exp) {
    return guarded([&] {
        const Arguments arguments("kvs_attention_forward");
        const AttentionShape shape = {batch, tokens, query_begin, query_count, heads, kv_heads, head_size, window};
        check_attention(arguments, shape, q, k, v, positions);
        arguments.buffer("out", out, shape.query_elements());
        arguments.buffer("log_sum_exp", log_sum_exp, batch * heads * query_count);
        arguments.with_element_type(dtype, [&](auto type) {
            using T = decltype(type);
            kernels_of<T>().attention_forward({batch, tokens, query_begin, query_count, heads, kv_heads, head_size, as(q, type),
                                               as(k, type), as(v, type), positions, window, static_cast<Computed<T>>(scale), as(out, type),
                                               as(log_sum_exp, Computed<T>{})},
                                              thread_count());
        });
    });
}

extern "C" int32_t kvs_attention_backward(int32_t dtype, int64_t batch, int64_t tokens, int64_t query_begin,
                                          int64_t query_count, int64_t heads, int64_t kv_heads, int64_t head_size,
                                          const void* q, const void* k, const void* v, const int32_t* positions, int64_t window, double scale, const void* out, const void* log_sum_exp, const void* dout,
                                          void* dq, void* dk, void* dv) {
    return guarded([&] {
        const Arguments arguments("kvs_attention_backward");
        const AttentionShape shape = {batch, tokens, query_begin, query_count, heads, kv_heads, head_size, window};
        check_attention(arguments, shape, q, k, v, positions);
        arguments.buffer("out", out, shape.query_elements());
        arguments.buffer("log_sum_exp", log_sum_exp, batch * heads * query_count);
        arguments.buffer("dout", dout, shape.query_elements());
        arguments.buffer("dq", dq, shape.query_elements());
        arguments.buffer("dk", dk, shape.key_elements());
        arguments.buffer("dv", dv, shape.key_elements());
        arguments.with_element_type(dtype, [&](auto type) {
            using T = decltype(type);
            kernels_of<T>().attention_backward(
                {batch, tokens, query_begin, query_count, heads, kv_heads, head_size, as(q, type), as(k, type), as(v, type), positions, window,
                 static_cast<Computed<T>>(scale), as(out, type), as(log_sum_exp, Computed<T>{}), as(dout, type), as(dq, type), as(dk, type),
                 as(dv, type)},
                thread_count());
        });
    });
}
