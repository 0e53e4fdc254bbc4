// The kernels of one instruction set, instantiated in the files that define them.
#pragma once

#include "kernels/calls.h"

namespace kvshift::KVSHIFT_ISA {

template <typename S>
void rms_norm_forward(const RmsNormForward<S>& call, int threads);
template <typename S>
void rms_norm_backward(const RmsNormBackward<S>& call, int threads);
template <typename S>
void shift_rope_forward(const ShiftRopeForward<S>& call, int threads);
template <typename S>
void shift_rope_backward(const ShiftRopeBackward<S>& call, int threads);
template <typename S>
void attention_forward(const AttentionForward<S>& call, int threads);
template <typename S>
void attention_backward(const AttentionBackward<S>& call, int threads);
template <typename S>
void swiglu_forward(const SwiGluForward<S>& call, int threads);
template <typename S>
void swiglu_backward(const SwiGluBackward<S>& call, int threads);
template <typename T>
double cross_entropy(const CrossEntropy<T>& call, int threads);
template <typename T>
void cross_entropy_part(const CrossEntropyPart<T>& call, int threads);
template <typename T>
void cross_entropy_part_gradient(const CrossEntropyPartGradient<T>& call, int threads);
template <typename S>
void embedding_backward(const EmbeddingBackward<S>& call, int threads);
template <typename T>
void adamw(const AdamW<T>& call, int threads);
template <typename T>
double sum_of_squares(const SumOfSquares<T>& call, int threads);

const IsaKernels& isa_kernels();

}  // namespace kvshift::KVSHIFT_ISA
