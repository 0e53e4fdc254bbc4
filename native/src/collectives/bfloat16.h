// bfloat16 as the upper half of a float32, for buffers that are summed in float32.
#pragma once

#include <cstdint>
#include <cstring>

namespace kvshift {

inline float widen(uint16_t value) {
    const uint32_t bits = static_cast<uint32_t>(value) << 16;
    float wide;
    std::memcpy(&wide, &bits, sizeof wide);
    return wide;
}

// To the nearest bfloat16, ties to even. A NaN stays one: rounding could carry its mantissa into infinity.
inline uint16_t narrow(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    const uint32_t quiet = (bits >> 16) | 0x0040u;
    return static_cast<uint16_t>((bits & 0x7fffffffu) > 0x7f800000u ? quiet : rounded);
}

inline void widen(const uint16_t* source, float* destination, int64_t count) {
    for (int64_t i = 0; i < count; i++) destination[i] = widen(source[i]);
}

inline void narrow(const float* source, uint16_t* destination, int64_t count) {
    for (int64_t i = 0; i < count; i++) destination[i] = narrow(source[i]);
}

}  // namespace kvshift
