// The C boundary of libLibTorchSharp: status and text out, no exception across. Tensors travel as heap at::Tensor*.
#pragma once

#include <cstdint>
#include <exception>
#include <string>
#include <vector>

#include "torch_version.h"

#define TS_API extern "C" __attribute__((visibility("default")))

namespace tsharp {

using Handle = at::Tensor*;

enum Status : int32_t { ok = 0, failed = 1 };

void set_last_error(const char* text) noexcept;

template <typename Body>
int32_t guarded(Body&& body) noexcept {
    try {
        body();
        return ok;
    } catch (const c10::Error& error) {
        set_last_error(error.what_without_backtrace());
    } catch (const std::exception& error) {
        set_last_error(error.what());
    } catch (...) {
        set_last_error("unknown native exception");
    }
    return failed;
}

inline Handle wrap(at::Tensor tensor) { return new at::Tensor(std::move(tensor)); }

// A nullable handle as libtorch's optional tensor.
inline c10::optional<at::Tensor> maybe(Handle handle) {
    return handle == nullptr ? c10::optional<at::Tensor>() : c10::optional<at::Tensor>(*handle);
}

inline std::vector<at::Tensor> list(const Handle* handles, int32_t count) {
    std::vector<at::Tensor> tensors;
    tensors.reserve(count);
    for (int32_t i = 0; i < count; i++) tensors.push_back(handles[i] == nullptr ? at::Tensor() : *handles[i]);
    return tensors;
}

// A number as .NET hands it over: kind 0 is integral, 1 is floating point.
inline at::Scalar scalar(int32_t kind, int64_t integral, double floating) {
    return kind == 0 ? at::Scalar(integral) : at::Scalar(floating);
}

inline c10::optional<at::ScalarType> maybe_dtype(int32_t dtype) {
    return dtype < 0 ? c10::optional<at::ScalarType>() : c10::optional<at::ScalarType>(static_cast<at::ScalarType>(dtype));
}

inline at::Device device(int32_t type, int32_t index) {
    return at::Device(static_cast<at::DeviceType>(type), static_cast<c10::DeviceIndex>(index));
}

inline at::TensorOptions options(int32_t dtype, int32_t device_type, int32_t device_index) {
    return at::TensorOptions().dtype(static_cast<at::ScalarType>(dtype)).device(device(device_type, device_index));
}

}  // namespace tsharp
