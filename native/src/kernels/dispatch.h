// Which instruction set and how many threads the kernels of this process use.
#pragma once

#include "kernels/calls.h"

namespace kvshift {

// The best table that the machine can run, chosen at the first call, or the one that the environment variable KVSHIFT_ISA names
// (avx512, avx2 or baseline; for tests and for comparing). Throws where it names none of these or one the machine lacks.
const IsaKernels& kernels();

// Threads of a parallel region: what kvs_set_threads was given, else OpenMP's own default. Held here rather than in OpenMP because
// omp_set_num_threads speaks for the calling thread only, and a managed caller comes from several.
int thread_count();

template <typename T>
const TypedKernels<T>& kernels_of();

template <>
inline const TypedKernels<float>& kernels_of<float>() {
    return kernels().float32;
}

template <>
inline const TypedKernels<double>& kernels_of<double>() {
    return kernels().float64;
}

}  // namespace kvshift
