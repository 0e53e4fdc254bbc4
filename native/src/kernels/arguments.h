// Checks of what crosses the C boundary into a kernel. A text says what was found and what was wanted; it is built on failure only.
#pragma once

#include <cstdint>
#include <string>

#include "kernels/bfloat16.h"
#include "status.h"

namespace kvshift {

class Arguments {
public:
    explicit Arguments(const char* function) : function_(function) {}

    void size(const char* name, int64_t value) const {
        if (value < 0) fail(std::string(name) + " is " + std::to_string(value) + "; wanted 0 or more");
    }

    void positive(const char* name, int64_t value) const {
        if (value < 1) fail(std::string(name) + " is " + std::to_string(value) + "; wanted 1 or more");
    }

    void at_least(const char* name, int64_t value, const char* what, int64_t least) const {
        if (value < least) {
            fail(std::string(name) + " is " + std::to_string(value) + "; wanted at least " + what + " = " + std::to_string(least));
        }
    }

    // An empty buffer may be null: there is nothing to point to.
    void buffer(const char* name, const void* pointer, int64_t count) const {
        if (pointer == nullptr && count > 0) fail(std::string(name) + " is null; wanted " + std::to_string(count) + " elements");
    }

    void together(const char* first_name, const void* first, const char* second_name, const void* second) const {
        if ((first == nullptr) == (second == nullptr)) return;
        fail(std::string(first == nullptr ? first_name : second_name) + " is null and " +
             (first == nullptr ? second_name : first_name) + " is not; wanted both or neither");
    }

    void holds(bool condition, const char* text) const {
        if (!condition) fail(text);
    }

    [[noreturn]] void fail(const std::string& text) const {
        require(false, (std::string(function_) + ": " + text).c_str());
        __builtin_unreachable();
    }

    // body(T{}) for the dtype's element type: of activations.
    template <typename Body>
    void with_element_type(int32_t dtype, Body&& body) const {
        if (dtype == KVS_BFLOAT16) {
            body(BFloat16{});
        } else {
            with_wide_type(dtype, body, "KVS_FLOAT32 (0), KVS_FLOAT64 (1) or KVS_BFLOAT16 (2)");
        }
    }

    // The same of logits, gradients of parameters and the optimizer's state.
    template <typename Body>
    void with_wide_type(int32_t dtype, Body&& body, const char* wanted = "KVS_FLOAT32 (0) or KVS_FLOAT64 (1)") const {
        if (dtype == KVS_FLOAT32) {
            body(float{});
        } else if (dtype == KVS_FLOAT64) {
            body(double{});
        } else {
            fail("dtype is " + std::to_string(dtype) + "; wanted " + wanted);
        }
    }

private:
    const char* function_;
};

template <typename T>
const T* as(const void* pointer, T) {
    return static_cast<const T*>(pointer);
}

template <typename T>
T* as(void* pointer, T) {
    return static_cast<T*>(pointer);
}

}  // namespace kvshift
