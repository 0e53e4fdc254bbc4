// Gradients: backward, grad mode, and nodes of the graph whose backward is managed code.
#include "guard.h"

using namespace tsharp;
using torch::autograd::variable_list;

namespace {

// gradients: null where there is none. Fills results with one handle for each tensor input (null where there is no gradient); the
// node takes them over. Non-zero: a handle to the exception that the managed side threw.
using BackwardCallback = int64_t (*)(int64_t context, void* node, const Handle* gradients, int32_t count, Handle* results,
                                     int32_t result_count);
using ReleaseCallback = void (*)(int64_t handle);

// A managed exception on its way through libtorch's engine to the caller of backward, whatever thread the node ran on.
struct ManagedException final : public std::runtime_error {
    explicit ManagedException(std::shared_ptr<int64_t> exception)
        : std::runtime_error("the managed backward of a custom function threw an exception"), handle(std::move(exception)) {}

    std::shared_ptr<int64_t> handle;
};

struct ManagedNode final : public torch::autograd::Node {
    int64_t context = 0;
    BackwardCallback run = nullptr;
    ReleaseCallback release = nullptr;
    bool materialize = true;
    std::vector<bool> has_metadata;
    std::vector<torch::autograd::SavedVariable> saved;

    ~ManagedNode() override {
        if (release != nullptr) release(context);
    }

    variable_list apply(variable_list&& gradients) override {
        std::vector<Handle> arguments(gradients.size());
        for (size_t i = 0; i < gradients.size(); i++) {
            if (!gradients[i].defined() && materialize && has_metadata[i]) gradients[i] = input_metadata(i).zeros_like();
            arguments[i] = gradients[i].defined() ? wrap(gradients[i]) : nullptr;
        }
        std::vector<Handle> results(num_outputs(), nullptr);
        const auto exception = run(context, this, arguments.data(), static_cast<int32_t>(arguments.size()), results.data(),
                                   static_cast<int32_t>(results.size()));
        variable_list output(results.size());
        for (size_t i = 0; i < results.size(); i++) {
            if (results[i] == nullptr) continue;
            output[i] = std::move(*results[i]);
            delete results[i];
        }
        if (exception != 0) {
            throw ManagedException(std::shared_ptr<int64_t>(new int64_t(exception), [free = release](int64_t* handle) {
                if (*handle != 0) free(*handle);
                delete handle;
            }));
        }
        return output;
    }

    void release_variables() override {
        for (auto& variable : saved) variable.reset_data();
    }

    std::string name() const override { return "ManagedFunction"; }
};

}  // namespace

TS_API int32_t ts_requires_grad(Handle tensor) { return tensor->requires_grad() ? 1 : 0; }

TS_API int32_t ts_set_requires_grad(Handle tensor, int32_t requires_grad) {
    return guarded([&] { tensor->set_requires_grad(requires_grad != 0); });
}

TS_API int32_t ts_is_leaf(Handle tensor) { return tensor->is_leaf() ? 1 : 0; }

TS_API int32_t ts_grad(Handle tensor, Handle* result) {
    return guarded([&] { *result = tensor->grad().defined() ? wrap(tensor->grad()) : nullptr; });
}

TS_API int32_t ts_set_grad(Handle tensor, Handle gradient) {
    return guarded([&] { tensor->mutable_grad() = gradient == nullptr ? at::Tensor() : *gradient; });
}

TS_API int32_t ts_is_grad_enabled() { return at::GradMode::is_enabled() ? 1 : 0; }
TS_API void ts_set_grad_enabled(int32_t enabled) { at::GradMode::set_enabled(enabled != 0); }

// exception: where a managed backward threw, the handle that it returned; the caller owns it.
TS_API int32_t ts_backward(const Handle* tensors, int32_t count, const Handle* gradients, int32_t gradient_count,
                           int32_t retain_graph, int32_t create_graph, const Handle* inputs, int32_t input_count,
                           int64_t* exception) {
    *exception = 0;
    return guarded([&] {
        try {
            torch::autograd::backward(list(tensors, count), list(gradients, gradient_count), retain_graph != 0, create_graph != 0,
                                      list(inputs, input_count));
        } catch (const ManagedException& thrown) {
            std::swap(*exception, *thrown.handle);
            throw;
        }
    });
}

// Puts a managed function behind its outputs. inputs: the tensor arguments of forward, in order. outputs[i] is replaced by
// the tensor that carries the history: the same one, or an alias where forward returned an input itself.
// differentiable[i] == 0: output i has no gradient. The node owns context and gives it back through release.
TS_API int32_t ts_function_attach(const Handle* inputs, int32_t input_count, Handle* outputs, const int32_t* differentiable,
                                  int32_t output_count, const Handle* saved, int32_t saved_count, int32_t materialize,
                                  int64_t context, BackwardCallback run, ReleaseCallback release) {
    return guarded([&] {
        auto node = make_node<ManagedNode>();
        const auto input_list = list(inputs, input_count);
        node->set_next_edges(torch::autograd::collect_next_edges(input_list));
        node->run = run;
        node->materialize = materialize != 0;

        std::vector<at::Tensor> saved_list = list(saved, saved_count);
        std::vector<int32_t> saved_output(saved_count, -1);
        std::vector<at::Tensor> result(output_count);
        for (int32_t i = 0; i < output_count; i++) {
            auto output = *outputs[i];
            for (int32_t s = 0; s < saved_count; s++) {
                if (saved_list[s].is_same(output)) saved_output[s] = i;
            }
            for (const auto& input : input_list) {
                if (input.is_same(output)) {
                    output = input.detach();
                    break;
                }
            }
            const bool has_gradient = differentiable[i] != 0 && output.is_floating_point();
            node->has_metadata.push_back(has_gradient);
            if (has_gradient) {
                const auto slot = node->add_input_metadata(output);
                torch::autograd::impl::set_gradient_edge(output, {node, static_cast<uint32_t>(slot)});
            } else {
                node->add_input_metadata(torch::autograd::Node::undefined_input{});
            }
            result[i] = output;
        }
        for (int32_t s = 0; s < saved_count; s++) {
            // An output saved with its history would keep its own node alive for ever.
            const bool is_output = saved_output[s] >= 0;
            node->saved.emplace_back(is_output ? result[saved_output[s]] : saved_list[s], is_output);
        }
        for (int32_t i = 0; i < output_count; i++) {
            if (!result[i].is_same(*outputs[i])) outputs[i] = wrap(result[i]);
        }
        // From here on the node answers for the context.
        node->context = context;
        node->release = release;
    });
}

TS_API int32_t ts_function_saved_count(void* node) { return static_cast<int32_t>(static_cast<ManagedNode*>(node)->saved.size()); }

TS_API int32_t ts_function_saved(void* node, int32_t index, Handle* result) {
    return guarded([&] {
        auto* self = static_cast<ManagedNode*>(node);
        *result = wrap(self->saved.at(index).unpack(self->shared_from_this()));
    });
}
