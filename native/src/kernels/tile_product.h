// Small matrix products out of the nearest caches: C [m, n] = A B or C += A B, strip by strip of tile_rows rows of C. B and C are
// row-major with whole vectors in each row (padded by the caller). Each strip has its own range of columns of C or of the inner
// dimension, which is how the triangle above a causal diagonal and other documents are left out.
#pragma once

#include "kernels/parallel.h"
#include "kernels/vector.h"

namespace kvshift::KVSHIFT_ISA {

// A strip times tile_vectors vectors of C fills the registers: 24 of 32 accumulate with AVX-512, else 12 (8) of 16.
#if defined(__AVX512F__)
constexpr int tile_rows = 6, tile_vectors = 4;
#elif defined(__AVX2__)
constexpr int tile_rows = 6, tile_vectors = 2;
#else
constexpr int tile_rows = 4, tile_vectors = 2;
#endif

struct Span {
    int begin, end;
};

enum class Access { by_row, by_column };  // element (row, inner) of A: a[row * stride + inner] or a[inner * stride + row]
enum class Target { overwritten, added_to };

template <typename T>
struct Left {
    const T* data;
    int64_t stride;
};

template <typename T>
struct Right {
    const T* data;
    int64_t stride;
};

template <typename T, Access A, Target C, int Rows, int Vectors>
KVSHIFT_INLINE void tile_product(Left<T> a, Right<T> b, Span inner, T* c, int64_t c_stride) {
    Vector<T> sums[Rows][Vectors] = {};
    const T* from = b.data + inner.begin * b.stride;
    for (int64_t index = inner.begin; index < inner.end; ++index, from += b.stride) {
        Vector<T> right[Vectors];
#pragma GCC unroll 4
        for (int v = 0; v < Vectors; ++v) right[v] = load<T>(from + v * width<T>);
#pragma GCC unroll 8
        for (int row = 0; row < Rows; ++row) {
            const T left = A == Access::by_row ? a.data[row * a.stride + index] : a.data[index * a.stride + row];
#pragma GCC unroll 4
            for (int v = 0; v < Vectors; ++v) sums[row][v] += left * right[v];
        }
    }
#pragma GCC unroll 8
    for (int row = 0; row < Rows; ++row) {
#pragma GCC unroll 4
        for (int v = 0; v < Vectors; ++v) {
            T* to = c + row * c_stride + v * width<T>;
            store<T>(to, C == Target::added_to ? load<T>(to) + sums[row][v] : sums[row][v]);
        }
    }
}

// Columns of one strip, in tiles as even as the register budget allows.
template <typename T, Access A, Target C, int Rows>
void strip_product(Left<T> a, Right<T> b, Span columns, Span inner, T* c, int64_t c_stride) {
    int vectors = (columns.end - columns.begin) / width<T>;
    b.data += columns.begin;
    c += columns.begin;
    while (vectors > 0) {
        const int tiles = (vectors + tile_vectors - 1) / tile_vectors;
        const int taken = (vectors + tiles - 1) / tiles;
        if (taken == 1) {
            tile_product<T, A, C, Rows, 1>(a, b, inner, c, c_stride);
        } else if (taken == 2) {
            tile_product<T, A, C, Rows, 2>(a, b, inner, c, c_stride);
        } else if constexpr (tile_vectors > 2) {
            if (taken == 3) {
                tile_product<T, A, C, Rows, 3>(a, b, inner, c, c_stride);
            } else {
                tile_product<T, A, C, Rows, 4>(a, b, inner, c, c_stride);
            }
        }
        b.data += taken * width<T>;
        c += taken * width<T>;
        vectors -= taken;
    }
}

template <typename T, Access A, Target C, int Rows = tile_rows>
KVSHIFT_INLINE void strip_product_of(int rows, Left<T> a, Right<T> b, Span columns, Span inner, T* c, int64_t c_stride) {
    if (rows == Rows) {
        strip_product<T, A, C, Rows>(a, b, columns, inner, c, c_stride);
    } else if constexpr (Rows > 1) {
        strip_product_of<T, A, C, Rows - 1>(rows, a, b, columns, inner, c, c_stride);
    }
}

// spans(strip) gives {columns, inner} of a strip; columns are whole vectors.
template <typename T, Access A, Target C, typename Spans>
KVSHIFT_INLINE void block_product(int rows, Left<T> a, Right<T> b, T* c, int64_t c_stride, Spans&& spans) {
    for (int row = 0, strip = 0; row < rows; row += tile_rows, ++strip) {
        const auto [columns, inner] = spans(strip);
        const int count = rows - row < tile_rows ? rows - row : tile_rows;
        const Left<T> from = {A == Access::by_row ? a.data + row * a.stride : a.data + row, a.stride};
        strip_product_of<T, A, C>(count, from, b, columns, inner, c + row * c_stride, c_stride);
    }
}

struct StripSpans {
    Span columns, inner;
};

}  // namespace kvshift::KVSHIFT_ISA
