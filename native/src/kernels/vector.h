// Vectors of the instruction set that the including file is compiled for. Everything lives in the namespace of that
// instruction set and nothing here instantiates a template of the standard library: the linker merges such instances over
// all instruction sets and may keep one that the running machine cannot execute.
#pragma once

#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "kernels/bfloat16.h"

#define KVSHIFT_INLINE inline __attribute__((always_inline))

namespace kvshift::KVSHIFT_ISA {

#if defined(__AVX512F__)
constexpr int vector_byte_count = 64;
#elif defined(__AVX2__)
constexpr int vector_byte_count = 32;
#else
constexpr int vector_byte_count = 16;
#endif

template <typename T>
constexpr int width = vector_byte_count / static_cast<int>(sizeof(T));

template <typename T>
struct VectorTypes;

template <>
struct VectorTypes<float> {
    using Integer = int32_t;
    typedef float Vector __attribute__((vector_size(vector_byte_count)));
    typedef int32_t IntegerVector __attribute__((vector_size(vector_byte_count)));
};

template <>
struct VectorTypes<double> {
    using Integer = int64_t;
    typedef double Vector __attribute__((vector_size(vector_byte_count)));
    typedef int64_t IntegerVector __attribute__((vector_size(vector_byte_count)));
};

template <typename T>
using Vector = typename VectorTypes<T>::Vector;
template <typename T>
using Integer = typename VectorTypes<T>::Integer;
template <typename T>
using IntegerVector = typename VectorTypes<T>::IntegerVector;

template <typename T>
KVSHIFT_INLINE Vector<T> broadcast(T value) {
    return value - Vector<T>{};
}

// Elements of S in memory become vectors of the type that they are computed in; on the way back they are rounded, to the nearest, ties to even.
template <typename S>
KVSHIFT_INLINE Vector<S> load(const S* from) {
    Vector<S> value;
    __builtin_memcpy(&value, from, sizeof(value));
    return value;
}

template <typename S>
KVSHIFT_INLINE void store(S* to, Vector<S> value) {
    __builtin_memcpy(to, &value, sizeof(value));
}

typedef uint16_t BFloat16Vector __attribute__((vector_size(vector_byte_count / 2)));
typedef uint32_t FloatBits __attribute__((vector_size(vector_byte_count)));

KVSHIFT_INLINE Vector<float> load(const BFloat16* from) {
    BFloat16Vector narrow;
    __builtin_memcpy(&narrow, from, sizeof(narrow));
    return reinterpret_cast<Vector<float>>(__builtin_convertvector(narrow, FloatBits) << 16);
}

// The upper halves of the nearest bfloat16. Rounding could carry a NaN into infinity.
KVSHIFT_INLINE FloatBits upper_halves(Vector<float> value) {
    const FloatBits bits = reinterpret_cast<FloatBits>(value);
    return value == value ? (bits + 0x7FFF + (bits >> 16 & 1)) >> 16 : FloatBits{} + 0x7FC0;
}

KVSHIFT_INLINE void store(BFloat16* to, Vector<float> value) {
    const BFloat16Vector narrow = __builtin_convertvector(upper_halves(value), BFloat16Vector);
    __builtin_memcpy(to, &narrow, sizeof(narrow));
}

template <typename S>
KVSHIFT_INLINE Computed<S> widened(const S& value) {
    if constexpr (sizeof(S) == sizeof(Computed<S>)) {
        return value;
    } else {
        const uint32_t bits = static_cast<uint32_t>(value.bits) << 16;
        Computed<S> wide;
        __builtin_memcpy(&wide, &bits, sizeof(wide));
        return wide;
    }
}

// What is left of a value that is stored as S.
template <typename S>
KVSHIFT_INLINE Vector<Computed<S>> as_stored(Vector<Computed<S>> value) {
    return value;
}

template <>
KVSHIFT_INLINE Vector<float> as_stored<BFloat16>(Vector<float> value) {
    return reinterpret_cast<Vector<float>>(upper_halves(value) << 16);
}

// How a loop over a row touches memory: whole vectors, or the last few elements with zeros in the lanes beyond.
template <typename T>
struct AllLanes {
    template <typename S>
    KVSHIFT_INLINE Vector<T> load(const S* from) const {
        return KVSHIFT_ISA::load(from);
    }
    KVSHIFT_INLINE Vector<T> load_or(const T* from, T) const { return KVSHIFT_ISA::load<T>(from); }
    template <typename S>
    KVSHIFT_INLINE void store(S* to, Vector<T> value) const {
        KVSHIFT_ISA::store(to, value);
    }
};

template <typename T>
struct FirstLanes {
    int count;

    template <typename S>
    KVSHIFT_INLINE Vector<T> load(const S* from) const {
        return load_or(from, T(0));
    }

    template <typename S>
    KVSHIFT_INLINE Vector<T> load_or(const S* from, T other) const {
        Vector<T> value = broadcast<T>(other);
        for (int lane = 0; lane < count; ++lane) value[lane] = widened(from[lane]);
        return value;
    }

    // Not by way of an array: which products GCC fuses into a sum, and so the bits of float32, hangs on the shape of this.
    KVSHIFT_INLINE void store(T* to, Vector<T> value) const {
        for (int lane = 0; lane < count; ++lane) to[lane] = value[lane];
    }

    KVSHIFT_INLINE void store(BFloat16* to, Vector<T> value) const {
        BFloat16 lanes[width<T>];
        KVSHIFT_ISA::store(lanes, value);
        for (int lane = 0; lane < count; ++lane) to[lane] = lanes[lane];
    }
};

// body(index, lanes, slot) for every vector of count elements. slot cycles through 0..3 and is a constant after inlining, so
// that a reduction can keep four independent accumulators; which element meets which slot depends on its index alone.
template <typename T, typename Body>
KVSHIFT_INLINE void for_each_vector(int64_t count, Body&& body) {
    constexpr int64_t step = width<T>;
    int64_t index = 0;
    for (; index + 4 * step <= count; index += 4 * step) {
        body(index, AllLanes<T>{}, 0);
        body(index + step, AllLanes<T>{}, 1);
        body(index + 2 * step, AllLanes<T>{}, 2);
        body(index + 3 * step, AllLanes<T>{}, 3);
    }
    for (; index + step <= count; index += step) body(index, AllLanes<T>{}, 0);
    if (index < count) body(index, FirstLanes<T>{static_cast<int>(count - index)}, 0);
}

// maximum and minimum give the second operand where the two do not compare, so that a NaN in it is kept. That is what x86 has an
// instruction for, which GCC does not find by itself in vectors of 64 bytes. The forms with a full mask are there because GCC 12
// warns of the undefined operand that its own header uses in those without.
#if defined(__AVX512F__)
KVSHIFT_INLINE Vector<float> maximum_of(Vector<float> a, Vector<float> b) { return _mm512_maskz_max_ps(0xFFFF, a, b); }
KVSHIFT_INLINE Vector<double> maximum_of(Vector<double> a, Vector<double> b) { return _mm512_maskz_max_pd(0xFF, a, b); }
KVSHIFT_INLINE Vector<float> minimum_of(Vector<float> a, Vector<float> b) { return _mm512_maskz_min_ps(0xFFFF, a, b); }
KVSHIFT_INLINE Vector<double> minimum_of(Vector<double> a, Vector<double> b) { return _mm512_maskz_min_pd(0xFF, a, b); }
#else
template <typename V>
KVSHIFT_INLINE V maximum_of(V a, V b) {
    return a > b ? a : b;
}

template <typename V>
KVSHIFT_INLINE V minimum_of(V a, V b) {
    return a < b ? a : b;
}
#endif

template <typename T>
KVSHIFT_INLINE Vector<T> maximum(Vector<T> a, Vector<T> b) {
    return maximum_of(a, b);
}

template <typename T>
KVSHIFT_INLINE Vector<T> minimum(Vector<T> a, Vector<T> b) {
    return minimum_of(a, b);
}

template <typename T>
KVSHIFT_INLINE T horizontal_sum(Vector<T> value) {
    T lanes[width<T>];
    store<T>(lanes, value);
    for (int half = width<T> / 2; half > 0; half /= 2) {
        for (int lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
    }
    return lanes[0];
}

template <typename T>
KVSHIFT_INLINE T horizontal_maximum(Vector<T> value) {
    T largest = value[0];
    for (int lane = 1; lane < width<T>; ++lane) largest = largest > value[lane] ? largest : value[lane];
    return largest;
}

template <typename T>
KVSHIFT_INLINE Vector<T> sum_of_slots(const Vector<T> (&slots)[4]) {
    return (slots[0] + slots[1]) + (slots[2] + slots[3]);
}

KVSHIFT_INLINE Vector<float> square_root(Vector<float> x) {
#if defined(__AVX512F__)
    return _mm512_maskz_sqrt_ps(0xFFFF, x);
#elif defined(__AVX2__)
    return _mm256_sqrt_ps(x);
#elif defined(__SSE2__)
    return _mm_sqrt_ps(x);
#else
    for (int lane = 0; lane < width<float>; ++lane) x[lane] = __builtin_sqrtf(x[lane]);
    return x;
#endif
}

KVSHIFT_INLINE Vector<double> square_root(Vector<double> x) {
#if defined(__AVX512F__)
    return _mm512_maskz_sqrt_pd(0xFF, x);
#elif defined(__AVX2__)
    return _mm256_sqrt_pd(x);
#elif defined(__SSE2__)
    return _mm_sqrt_pd(x);
#else
    for (int lane = 0; lane < width<double>; ++lane) x[lane] = __builtin_sqrt(x[lane]);
    return x;
#endif
}

template <int... Index>
struct Indices {};

template <int Count, int... Index>
struct IndicesUpTo : IndicesUpTo<Count - 1, Count - 1, Index...> {};

template <int... Index>
struct IndicesUpTo<0, Index...> {
    using Type = Indices<Index...>;
};

// Lanes first[offset], second[offset], first[offset + 1], second[offset + 1], ...
template <typename T, int Offset, int... Index>
KVSHIFT_INLINE Vector<T> interleave(Vector<T> first, Vector<T> second, Indices<Index...>) {
    return __builtin_shufflevector(first, second, (Offset + Index / 2 + (Index % 2) * width<T>)...);
}

// Transposes width x width elements held in rows: each round interleaves row i with row i + width / 2, and after log2(width)
// rounds the row and lane numbers have changed places.
template <typename T>
KVSHIFT_INLINE void transpose(Vector<T> (&rows)[width<T>]) {
    constexpr int half = width<T> / 2;
    using Lanes = typename IndicesUpTo<width<T>>::Type;
#pragma GCC unroll 4
    for (int round = width<T>; round > 1; round /= 2) {
        Vector<T> next[width<T>];
#pragma GCC unroll 16
        for (int row = 0; row < half; ++row) {
            next[2 * row] = interleave<T, 0>(rows[row], rows[row + half], Lanes{});
            next[2 * row + 1] = interleave<T, half>(rows[row], rows[row + half], Lanes{});
        }
#pragma GCC unroll 16
        for (int row = 0; row < width<T>; ++row) rows[row] = next[row];
    }
}

}  // namespace kvshift::KVSHIFT_ISA
