// Every difference between the versions of libtorch that this shim builds against (1.13 to 2.11), in one place.
#pragma once

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/edge.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/grad_mode.h>
#include <torch/csrc/autograd/saved_variable.h>
#include <torch/csrc/autograd/variable.h>
#include <torch/version.h>

#define TS_TORCH_AT_LEAST(major, minor) \
    (TORCH_VERSION_MAJOR > (major) || (TORCH_VERSION_MAJOR == (major) && TORCH_VERSION_MINOR >= (minor)))

namespace tsharp {

// Public in 2.0; 1.13 has the same operation under a private name, which also returns the weights.
inline at::Tensor scaled_dot_product_attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                                               const c10::optional<at::Tensor>& mask, double dropout, bool causal) {
#if TS_TORCH_AT_LEAST(2, 0)
    return at::scaled_dot_product_attention(query, key, value, mask, dropout, causal);
#else
    return std::get<0>(at::_scaled_dot_product_attention(query, key, value, mask, dropout, /*need_attn_weights=*/false, causal));
#endif
}

// A node is freed by a deleter that unrolls long graphs instead of recursing through them.
template <typename NodeType>
std::shared_ptr<NodeType> make_node() {
    return std::shared_ptr<NodeType>(new NodeType(), torch::autograd::deleteNode);
}

}  // namespace tsharp
