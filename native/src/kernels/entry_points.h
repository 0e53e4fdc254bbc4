// The kernels of one instruction set, instantiated for float and double in the files that define them.
#pragma once

#include "kernels/calls.h"

namespace kvshift::KVSHIFT_ISA {

template <typename T>
void rms_norm_forward(const RmsNormForward<T>& call, int threads);
template <typename T>
void rms_norm_backward(const RmsNormBackward<T>& call, int threads);
template <typename T>
void shift_rope_forward(const ShiftRopeForward<T>& call, int threads);
template <typename T>
void shift_rope_backward(const ShiftRopeBackward<T>& call, int threads);
template <typename T>
void attention_forward(const AttentionForward<T>& call, int threads);
template <typename T>
void attention_backward(const AttentionBackward<T>& call, int threads);
template <typename T>
void swiglu_forward(const SwiGluForward<T>& call, int threads);
template <typename T>
void swiglu_backward(const SwiGluBackward<T>& call, int threads);
template <typename T>
double cross_entropy(const CrossEntropy<T>& call, int threads);
template <typename T>
void cross_entropy_part(const CrossEntropyPart<T>& call, int threads);
template <typename T>
void cross_entropy_part_gradient(const CrossEntropyPartGradient<T>& call, int threads);
template <typename T>
void embedding_backward(const EmbeddingBackward<T>& call, int threads);
template <typename T>
void adamw(const AdamW<T>& call, int threads);
template <typename T>
double sum_of_squares(const SumOfSquares<T>& call, int threads);

const IsaKernels& isa_kernels();

}  // namespace kvshift::KVSHIFT_ISA
