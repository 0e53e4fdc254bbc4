#include "status.h"

namespace kvshift {
namespace {
thread_local std::string text_of_last_error;
}

void set_last_error(const char* text) noexcept {
    try {
        text_of_last_error = text;
    } catch (...) {
        text_of_last_error.clear();
    }
}

const char* last_error() noexcept { return text_of_last_error.c_str(); }
}  // namespace kvshift
