// Table of this instruction set.
#include "kernels/entry_points.h"

#define KVSHIFT_TEXT_OF(name) #name
#define KVSHIFT_TEXT(name) KVSHIFT_TEXT_OF(name)

namespace kvshift::KVSHIFT_ISA {
namespace {

template <typename T>
constexpr TypedKernels<T> typed_kernels = {
    rms_norm_forward<T>,
    rms_norm_backward<T>,
    shift_rope_forward<T>,
    shift_rope_backward<T>,
    attention_forward<T>,
    attention_backward<T>,
    swiglu_forward<T>,
    swiglu_backward<T>,
    cross_entropy<T>,
    cross_entropy_part<T>,
    cross_entropy_part_gradient<T>,
    embedding_backward<T>,
    adamw<T>,
    sum_of_squares<T>,
};

constexpr IsaKernels table = {KVSHIFT_TEXT(KVSHIFT_ISA), typed_kernels<float>, typed_kernels<double>};

}  // namespace

const IsaKernels& isa_kernels() { return table; }

}  // namespace kvshift::KVSHIFT_ISA
