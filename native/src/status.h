// Turns whatever a body does into a status and a text, so that no exception leaves the library.
#pragma once

#include <exception>
#include <new>
#include <stdexcept>
#include <string>

#include "kvshift.h"

namespace kvshift {

// A failure with the status that the caller is to see.
class Error : public std::runtime_error {
public:
    Error(kvs_status status, const std::string& text) : std::runtime_error(text), status(status) {}
    const kvs_status status;
};

void set_last_error(const char* text) noexcept;
// Of the calling thread, in this library. Never null.
const char* last_error() noexcept;

template <typename Body>
int32_t guarded(Body&& body) noexcept {
    try {
        body();
        return KVS_OK;
    } catch (const Error& error) {
        set_last_error(error.what());
        return error.status;
    } catch (const std::bad_alloc&) {
        set_last_error("out of memory");
        return KVS_INTERNAL_ERROR;
    } catch (const std::exception& error) {
        set_last_error(error.what());
        return KVS_INTERNAL_ERROR;
    } catch (...) {
        set_last_error("unknown native exception");
        return KVS_INTERNAL_ERROR;
    }
}

inline void require(bool holds, const char* text) {
    if (!holds) throw Error(KVS_INVALID_ARGUMENT, text);
}

}  // namespace kvshift
