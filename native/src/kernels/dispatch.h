// Which instruction set and how many threads the kernels of this process use.
#pragma once

#include <type_traits>

#include "kernels/calls.h"

namespace kvshift {

// The best table that the machine can run, chosen at the first call, or the one that the environment variable KVSHIFT_ISA names
// (avx512, avx2 or baseline; for tests and for comparing). Throws where it names none of these or one the machine lacks.
const IsaKernels& kernels();

// The kernels are those for AVX-512 and the processor multiplies bfloat16 (AVX512_BF16).
bool multiplies_bfloat16();

// Threads of a parallel region: what kvs_set_threads was given, else OpenMP's own default. Held here rather than in OpenMP because
// omp_set_num_threads speaks for the calling thread only, and a managed caller comes from several.
int thread_count();

// Of the type that activations have in memory.
template <typename S>
const ActivationKernels<S>& kernels_of() {
    if constexpr (std::is_same_v<S, BFloat16>) {
        return kernels().bfloat16;
    } else if constexpr (std::is_same_v<S, double>) {
        return kernels().float64;
    } else {
        return kernels().float32;
    }
}

// Of the type of logits, gradients of parameters and the optimizer's state.
template <typename T>
const WideKernels<T>& wide_kernels_of() {
    if constexpr (std::is_same_v<T, double>) {
        return kernels().wide_float64;
    } else {
        return kernels().wide_float32;
    }
}

}  // namespace kvshift
