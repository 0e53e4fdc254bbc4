// Tensors: creation, memory, views, arithmetic.
#include <ATen/core/Generator.h>

#include "guard.h"

using namespace tsharp;

namespace tsharp {
namespace {
thread_local std::string last_error;
}
void set_last_error(const char* text) noexcept {
    try {
        last_error = text;
    } catch (...) {
        last_error.clear();
    }
}
}  // namespace tsharp

TS_API const char* ts_last_error() { return last_error.c_str(); }

// ---- creation ---------------------------------------------------------------------------------------------------

TS_API int32_t ts_empty(const int64_t* shape, int32_t rank, int32_t dtype, int32_t device_type, int32_t device_index,
                        int32_t requires_grad, Handle* result) {
    return guarded([&] {
        *result = wrap(at::empty(at::IntArrayRef(shape, rank), options(dtype, device_type, device_index))
                           .set_requires_grad(requires_grad != 0));
    });
}

TS_API int32_t ts_full(const int64_t* shape, int32_t rank, double value, int32_t dtype, int32_t device_type,
                       int32_t device_index, int32_t requires_grad, Handle* result) {
    return guarded([&] {
        *result = wrap(at::full(at::IntArrayRef(shape, rank), value, options(dtype, device_type, device_index))
                           .set_requires_grad(requires_grad != 0));
    });
}

TS_API int32_t ts_arange(int32_t kind, int64_t start_i, double start_f, int64_t stop_i, double stop_f, int64_t step_i,
                         double step_f, int32_t dtype, int32_t device_type, int32_t device_index, Handle* result) {
    return guarded([&] {
        *result = wrap(at::arange(scalar(kind, start_i, start_f), scalar(kind, stop_i, stop_f), scalar(kind, step_i, step_f),
                                  options(dtype, device_type, device_index)));
    });
}

TS_API int32_t ts_randn(const int64_t* shape, int32_t rank, at::Generator* generator, int32_t dtype, int32_t device_type,
                        int32_t device_index, Handle* result) {
    return guarded([&] {
        const auto chosen = generator == nullptr ? c10::optional<at::Generator>() : c10::optional<at::Generator>(*generator);
        *result = wrap(at::randn(at::IntArrayRef(shape, rank), chosen, options(dtype, device_type, device_index)));
    });
}

TS_API int32_t ts_from_file(const char* filename, int32_t shared, int64_t size, int32_t dtype, int32_t device_type,
                            int32_t device_index, Handle* result) {
    return guarded([&] { *result = wrap(at::from_file(filename, shared != 0, size, options(dtype, device_type, device_index))); });
}

// The tensor uses data in place; release(context) is called when its last user is gone.
TS_API int32_t ts_from_blob(void* data, const int64_t* shape, int32_t rank, int32_t dtype, int64_t context,
                            void (*release)(int64_t), Handle* result) {
    return guarded([&] {
        *result = wrap(at::from_blob(data, at::IntArrayRef(shape, rank), [context, release](void*) { release(context); },
                                     at::TensorOptions().dtype(static_cast<at::ScalarType>(dtype))));
    });
}

// ---- identity and memory ----------------------------------------------------------------------------------------

TS_API void ts_delete(Handle tensor) { delete tensor; }

// A second handle to the same tensor.
TS_API int32_t ts_share(Handle tensor, Handle* result) {
    return guarded([&] { *result = wrap(*tensor); });
}

TS_API int32_t ts_rank(Handle tensor) { return tensor->defined() ? static_cast<int32_t>(tensor->dim()) : -1; }

TS_API int32_t ts_shape(Handle tensor, int64_t* shape) {
    return guarded([&] {
        const auto sizes = tensor->sizes();
        std::copy(sizes.begin(), sizes.end(), shape);
    });
}

TS_API int32_t ts_stride(Handle tensor, int64_t* stride) {
    return guarded([&] {
        const auto strides = tensor->strides();
        std::copy(strides.begin(), strides.end(), stride);
    });
}

TS_API int64_t ts_numel(Handle tensor) { return tensor->defined() ? tensor->numel() : 0; }
TS_API int32_t ts_dtype(Handle tensor) { return static_cast<int32_t>(tensor->scalar_type()); }
TS_API int32_t ts_device_type(Handle tensor) { return static_cast<int32_t>(tensor->device().type()); }
TS_API int32_t ts_device_index(Handle tensor) { return static_cast<int32_t>(tensor->device().index()); }
TS_API int32_t ts_element_size(Handle tensor) { return static_cast<int32_t>(tensor->element_size()); }
TS_API int32_t ts_is_contiguous(Handle tensor) { return tensor->is_contiguous() ? 1 : 0; }
TS_API int64_t ts_storage_offset(Handle tensor) { return tensor->storage_offset(); }

TS_API int32_t ts_data_ptr(Handle tensor, void** data) {
    return guarded([&] { *data = tensor->data_ptr(); });
}

TS_API int32_t ts_storage_data_ptr(Handle tensor, void** data, int64_t* bytes) {
    return guarded([&] {
        *data = const_cast<void*>(static_cast<const void*>(tensor->storage().data()));
        *bytes = static_cast<int64_t>(tensor->storage().nbytes());
    });
}

// ---- one tensor in, one out -------------------------------------------------------------------------------------

#define TS_UNARY(name, expression)                                    \
    TS_API int32_t ts_##name(Handle tensor, Handle* result) {         \
        return guarded([&] {                                          \
            const at::Tensor& x = *tensor;                            \
            *result = wrap(expression);                               \
        });                                                           \
    }

TS_UNARY(alias, at::alias(x))
TS_UNARY(detach, x.detach())
TS_UNARY(clone, x.clone())
TS_UNARY(contiguous, x.contiguous())
TS_UNARY(t, x.t())
TS_UNARY(neg, at::neg(x))
TS_UNARY(exp, at::exp(x))
TS_UNARY(log, at::log(x))
TS_UNARY(sqrt, at::sqrt(x))
TS_UNARY(rsqrt, at::rsqrt(x))
TS_UNARY(cos, at::cos(x))
TS_UNARY(sin, at::sin(x))
TS_UNARY(abs, at::abs(x))
TS_UNARY(sigmoid, at::sigmoid(x))
TS_UNARY(silu, at::silu(x))
TS_UNARY(max, at::max(x))
TS_UNARY(isfinite, at::isfinite(x))
TS_UNARY(all, at::all(x))

// ---- two tensors in, one out ------------------------------------------------------------------------------------

#define TS_BINARY(name, expression)                                                \
    TS_API int32_t ts_##name(Handle left, Handle right, Handle* result) {          \
        return guarded([&] {                                                       \
            const at::Tensor& a = *left;                                           \
            const at::Tensor& b = *right;                                          \
            *result = wrap(expression);                                            \
        });                                                                        \
    }

TS_BINARY(add, at::add(a, b))
TS_BINARY(sub, at::sub(a, b))
TS_BINARY(mul, at::mul(a, b))
TS_BINARY(div, at::div(a, b))
TS_BINARY(matmul, at::matmul(a, b))
TS_BINARY(mm, at::mm(a, b))
TS_BINARY(less, at::lt(a, b))
TS_BINARY(less_equal, at::le(a, b))
TS_BINARY(equal, at::eq(a, b))
TS_BINARY(bitwise_and, at::bitwise_and(a, b))

// ---- a tensor and a number --------------------------------------------------------------------------------------

#define TS_SCALAR(name, expression)                                                                                  \
    TS_API int32_t ts_##name(Handle tensor, int32_t kind, int64_t integral, double floating, Handle* result) {       \
        return guarded([&] {                                                                                         \
            const at::Tensor& x = *tensor;                                                                           \
            const at::Scalar s = scalar(kind, integral, floating);                                                   \
            *result = wrap(expression);                                                                              \
        });                                                                                                          \
    }

TS_SCALAR(add_scalar, at::add(x, s))
TS_SCALAR(sub_scalar, at::sub(x, s))
TS_SCALAR(mul_scalar, at::mul(x, s))
TS_SCALAR(div_scalar, at::div(x, s))
TS_SCALAR(pow_scalar, at::pow(x, s))
TS_SCALAR(greater_scalar, at::gt(x, s))
TS_SCALAR(equal_scalar, at::eq(x, s))

#define TS_SCALAR_IN_PLACE(name, expression)                                                                     \
    TS_API int32_t ts_##name(Handle tensor, int32_t kind, int64_t integral, double floating) {                   \
        return guarded([&] {                                                                                     \
            at::Tensor& x = *tensor;                                                                             \
            const at::Scalar s = scalar(kind, integral, floating);                                               \
            expression;                                                                                          \
        });                                                                                                      \
    }

TS_SCALAR_IN_PLACE(fill_, x.fill_(s))
TS_SCALAR_IN_PLACE(mul_scalar_, x.mul_(s))

TS_API int32_t ts_add_(Handle tensor, Handle other, int32_t kind, int64_t integral, double floating) {
    return guarded([&] { tensor->add_(*other, scalar(kind, integral, floating)); });
}

TS_API int32_t ts_zero_(Handle tensor) {
    return guarded([&] { tensor->zero_(); });
}

TS_API int32_t ts_copy_(Handle tensor, Handle source, int32_t non_blocking) {
    return guarded([&] { tensor->copy_(*source, non_blocking != 0); });
}

TS_API int32_t ts_addmm_(Handle tensor, Handle left, Handle right, double beta, double alpha) {
    return guarded([&] { tensor->addmm_(*left, *right, beta, alpha); });
}

TS_API int32_t ts_index_add_(Handle tensor, int64_t dim, Handle index, Handle source, int32_t kind, int64_t integral,
                             double floating) {
    return guarded([&] { tensor->index_add_(dim, *index, *source, scalar(kind, integral, floating)); });
}

TS_API int32_t ts_masked_fill(Handle tensor, Handle mask, int32_t kind, int64_t integral, double floating, Handle* result) {
    return guarded([&] { *result = wrap(tensor->masked_fill(*mask, scalar(kind, integral, floating))); });
}

// ---- shapes -----------------------------------------------------------------------------------------------------

TS_API int32_t ts_view(Handle tensor, const int64_t* shape, int32_t rank, Handle* result) {
    return guarded([&] { *result = wrap(tensor->view(at::IntArrayRef(shape, rank))); });
}

TS_API int32_t ts_reshape(Handle tensor, const int64_t* shape, int32_t rank, Handle* result) {
    return guarded([&] { *result = wrap(tensor->reshape(at::IntArrayRef(shape, rank))); });
}

TS_API int32_t ts_expand(Handle tensor, const int64_t* shape, int32_t rank, int32_t is_implicit, Handle* result) {
    return guarded([&] { *result = wrap(tensor->expand(at::IntArrayRef(shape, rank), is_implicit != 0)); });
}

TS_API int32_t ts_transpose(Handle tensor, int64_t dim0, int64_t dim1, Handle* result) {
    return guarded([&] { *result = wrap(tensor->transpose(dim0, dim1)); });
}

TS_API int32_t ts_narrow(Handle tensor, int64_t dim, int64_t start, int64_t length, Handle* result) {
    return guarded([&] { *result = wrap(tensor->narrow(dim, start, length)); });
}

TS_API int32_t ts_select(Handle tensor, int64_t dim, int64_t index, Handle* result) {
    return guarded([&] { *result = wrap(tensor->select(dim, index)); });
}

TS_API int32_t ts_unsqueeze(Handle tensor, int64_t dim, Handle* result) {
    return guarded([&] { *result = wrap(tensor->unsqueeze(dim)); });
}

TS_API int32_t ts_index_select(Handle tensor, int64_t dim, Handle index, Handle* result) {
    return guarded([&] { *result = wrap(tensor->index_select(dim, *index)); });
}

TS_API int32_t ts_gather(Handle tensor, int64_t dim, Handle index, Handle* result) {
    return guarded([&] { *result = wrap(tensor->gather(dim, *index)); });
}

TS_API int32_t ts_scatter_(Handle tensor, int64_t dim, Handle index, Handle source) {
    return guarded([&] { tensor->scatter_(dim, *index, *source); });
}

TS_API int32_t ts_cat(const Handle* tensors, int32_t count, int64_t dim, Handle* result) {
    return guarded([&] { *result = wrap(at::cat(list(tensors, count), dim)); });
}

TS_API int32_t ts_stack(const Handle* tensors, int32_t count, int64_t dim, Handle* result) {
    return guarded([&] { *result = wrap(at::stack(list(tensors, count), dim)); });
}

// ---- reductions and order ---------------------------------------------------------------------------------------

TS_API int32_t ts_sum(Handle tensor, int32_t dtype, Handle* result) {
    return guarded([&] { *result = wrap(at::sum(*tensor, maybe_dtype(dtype))); });
}

TS_API int32_t ts_sum_dims(Handle tensor, const int64_t* dims, int32_t count, int32_t keepdim, int32_t dtype, Handle* result) {
    return guarded([&] {
        *result = wrap(at::sum(*tensor, at::IntArrayRef(dims, count), keepdim != 0, maybe_dtype(dtype)));
    });
}

TS_API int32_t ts_mean_dims(Handle tensor, const int64_t* dims, int32_t count, int32_t keepdim, int32_t dtype, Handle* result) {
    return guarded([&] {
        *result = wrap(at::mean(*tensor, at::IntArrayRef(dims, count), keepdim != 0, maybe_dtype(dtype)));
    });
}

TS_API int32_t ts_argmax(Handle tensor, int64_t dim, int32_t keepdim, Handle* result) {
    return guarded([&] { *result = wrap(at::argmax(*tensor, dim, keepdim != 0)); });
}

TS_API int32_t ts_cumsum(Handle tensor, int64_t dim, int32_t dtype, Handle* result) {
    return guarded([&] { *result = wrap(at::cumsum(*tensor, dim, maybe_dtype(dtype))); });
}

TS_API int32_t ts_sort(Handle tensor, int64_t dim, int32_t descending, int32_t stable, Handle* values, Handle* indices) {
    return guarded([&] {
        auto sorted = at::sort(*tensor, stable != 0, dim, descending != 0);
        *values = wrap(std::get<0>(sorted));
        *indices = wrap(std::get<1>(sorted));
    });
}

TS_API int32_t ts_multinomial(Handle tensor, int64_t samples, int32_t replacement, at::Generator* generator, Handle* result) {
    return guarded([&] {
        const auto chosen = generator == nullptr ? c10::optional<at::Generator>() : c10::optional<at::Generator>(*generator);
        *result = wrap(at::multinomial(*tensor, samples, replacement != 0, chosen));
    });
}

TS_API int32_t ts_to(Handle tensor, int32_t dtype, int32_t device_type, int32_t device_index, int32_t copy,
                     int32_t non_blocking, Handle* result) {
    return guarded([&] {
        const auto type = dtype < 0 ? tensor->scalar_type() : static_cast<at::ScalarType>(dtype);
        const auto place = device_type < 0 ? tensor->device() : device(device_type, device_index);
        *result = wrap(tensor->to(place, type, non_blocking != 0, copy != 0));
    });
}

TS_API int32_t ts_item(Handle tensor, int32_t* kind, int64_t* integral, double* floating) {
    return guarded([&] {
        const auto value = tensor->item();
        *kind = value.isFloatingPoint() ? 1 : 0;
        if (value.isFloatingPoint()) {
            *floating = value.toDouble();
        } else if (value.isBoolean()) {
            *integral = value.toBool() ? 1 : 0;
        } else {
            *integral = value.toLong();
        }
    });
}

// ---- functional -------------------------------------------------------------------------------------------------

TS_API int32_t ts_linear(Handle input, Handle weights, Handle bias, Handle* result) {
    return guarded([&] { *result = wrap(at::linear(*input, *weights, maybe(bias))); });
}

TS_API int32_t ts_softmax(Handle tensor, int64_t dim, int32_t dtype, Handle* result) {
    return guarded([&] { *result = wrap(at::softmax(*tensor, dim, maybe_dtype(dtype))); });
}

TS_API int32_t ts_log_softmax(Handle tensor, int64_t dim, int32_t dtype, Handle* result) {
    return guarded([&] { *result = wrap(at::log_softmax(*tensor, dim, maybe_dtype(dtype))); });
}

TS_API int32_t ts_cross_entropy(Handle input, Handle target, Handle weight, int64_t ignore_index, int64_t reduction,
                                double label_smoothing, Handle* result) {
    return guarded([&] {
        *result = wrap(at::cross_entropy_loss(*input, *target, maybe(weight), reduction, ignore_index, label_smoothing));
    });
}

TS_API int32_t ts_scaled_dot_product_attention(Handle query, Handle key, Handle value, Handle mask, double dropout,
                                               int32_t causal, Handle* result) {
    return guarded([&] {
        *result = wrap(scaled_dot_product_attention(*query, *key, *value, maybe(mask), dropout, causal != 0));
    });
}
