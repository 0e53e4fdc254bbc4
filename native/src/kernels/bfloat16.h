// bfloat16 as kernels keep it in memory: the upper half of a float32. Nothing computes in it.
#pragma once

#include <cstdint>

namespace kvshift {

struct BFloat16 {
    uint16_t bits;
};

// In which type a kernel computes with what is stored as S, and keeps what has to be exact: sums, statistics, gradients of parameters.
template <typename S>
struct ComputedIn {
    using Type = S;
};

template <>
struct ComputedIn<BFloat16> {
    using Type = float;
};

template <typename S>
using Computed = typename ComputedIn<S>::Type;

}  // namespace kvshift
