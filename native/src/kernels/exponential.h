// e^x on vectors: x = n ln 2 + r with |r| <= ln 2 / 2, e^r by its Taylor series, 2^n through the exponent bits.
// Error below 2 units in the last place. Results below the smallest normal number become 0 (denormals would slow down the
// products that follow); above the largest, infinity; NaN stays NaN.
#pragma once

#include "kernels/vector.h"

namespace kvshift::KVSHIFT_ISA {

template <typename T>
struct ExponentialConstants;

// ln 2 is split so that n * ln2_high is exact for every n that occurs. Adding shift rounds to an integer in the low mantissa bits.
// With |r| <= 0.347 the first term left out is 5e-9 of the result in float and 4e-18 in double.
template <>
struct ExponentialConstants<float> {
    static constexpr float smallest = -87.3365447f;
    static constexpr float largest = 89.0f;
    static constexpr float ln2_high = 0.693359375f;
    static constexpr float ln2_low = -2.12194440e-4f;
    static constexpr float shift = 12582912.0f;
    static constexpr int32_t shift_bits = 0x4B400000;
    static constexpr int32_t exponent_bias = 127;
    static constexpr int32_t mantissa_bits = 23;
    static constexpr int degree = 7;
};

template <>
struct ExponentialConstants<double> {
    static constexpr double smallest = -708.39641853226408;
    static constexpr double largest = 711.0;
    static constexpr double ln2_high = 0.693147180369123816490;
    static constexpr double ln2_low = 1.90821492927058770002e-10;
    static constexpr double shift = 6755399441055744.0;
    static constexpr int64_t shift_bits = 0x4338000000000000;
    static constexpr int64_t exponent_bias = 1023;
    static constexpr int64_t mantissa_bits = 52;
    static constexpr int degree = 13;
};

constexpr double inverse_factorial(int n) { return n <= 1 ? 1.0 : inverse_factorial(n - 1) / n; }

template <typename T, int Degree>
struct TaylorCoefficient {
    static constexpr T value = static_cast<T>(inverse_factorial(Degree));
};

// sum over i in [Term, Degree] of r^(i - Term) / i!
template <typename T, int Term, int Degree>
KVSHIFT_INLINE Vector<T> taylor_tail(Vector<T> r) {
    if constexpr (Term == Degree) {
        return broadcast<T>(TaylorCoefficient<T, Degree>::value);
    } else {
        return taylor_tail<T, Term + 1, Degree>(r) * r + TaylorCoefficient<T, Term>::value;
    }
}

template <typename T>
KVSHIFT_INLINE Vector<T> times_power_of_two(Vector<T> value, Vector<T> rounded, IntegerVector<T> n) {
#if defined(__AVX512F__)
    (void)n;
    if constexpr (sizeof(T) == sizeof(float)) {
        return _mm512_maskz_scalef_ps(0xFFFF, value, rounded);
    } else {
        return _mm512_maskz_scalef_pd(0xFF, value, rounded);
    }
#else
    using Constants = ExponentialConstants<T>;
    // In two factors, since 2^128 (2^1024) is beyond the type although the product may not be.
    (void)rounded;
    const IntegerVector<T> half = n >> 1;
    const IntegerVector<T> first = (half + Constants::exponent_bias) << Constants::mantissa_bits;
    const IntegerVector<T> second = (n - half + Constants::exponent_bias) << Constants::mantissa_bits;
    return value * reinterpret_cast<Vector<T>>(first) * reinterpret_cast<Vector<T>>(second);
#endif
}

template <typename T>
KVSHIFT_INLINE Vector<T> exponential(Vector<T> x) {
    using Constants = ExponentialConstants<T>;
    const Vector<T> smallest = broadcast<T>(Constants::smallest);
    // The order of the operands keeps a NaN of x.
    const Vector<T> bounded = maximum<T>(smallest, minimum<T>(broadcast<T>(Constants::largest), x));

    const Vector<T> shifted = bounded * T(1.4426950408889634) + Constants::shift;
    const Vector<T> rounded = shifted - Constants::shift;
    const IntegerVector<T> n = reinterpret_cast<IntegerVector<T>>(shifted) - Constants::shift_bits;
    const Vector<T> r = (bounded - rounded * Constants::ln2_high) - rounded * Constants::ln2_low;
    const Vector<T> result = times_power_of_two<T>(taylor_tail<T, 0, Constants::degree>(r), rounded, n);
    return x < smallest ? Vector<T>{} : result;
}

}  // namespace kvshift::KVSHIFT_ISA
