// Table of this instruction set.
#include "kernels/entry_points.h"

#define KVSHIFT_TEXT_OF(name) #name
#define KVSHIFT_TEXT(name) KVSHIFT_TEXT_OF(name)

namespace kvshift::KVSHIFT_ISA {
namespace {

template <typename S>
constexpr ActivationKernels<S> activation_kernels = {
    rms_norm_forward<S>,   rms_norm_backward<S>, shift_rope_forward<S>, shift_rope_backward<S>, attention_forward<S>,
    attention_backward<S>, swiglu_forward<S>,    swiglu_backward<S>,    embedding_backward<S>,
};

template <typename T>
constexpr WideKernels<T> wide_kernels = {
    cross_entropy<T>, cross_entropy_part<T>, cross_entropy_part_gradient<T>, adamw<T>, sum_of_squares<T>,
};

constexpr IsaKernels table = {KVSHIFT_TEXT(KVSHIFT_ISA),    activation_kernels<float>, activation_kernels<double>,
                              activation_kernels<BFloat16>, wide_kernels<float>,       wide_kernels<double>};

}  // namespace

const IsaKernels& isa_kernels() { return table; }

}  // namespace kvshift::KVSHIFT_ISA
