#include "status.h"

namespace kvshift {
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
}  // namespace kvshift

extern "C" int32_t kvs_abi_version(void) { return KVS_ABI_VERSION; }

extern "C" const char* kvs_last_error(void) { return kvshift::last_error.c_str(); }
