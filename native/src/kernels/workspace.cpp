#include "kernels/workspace.h"

#include <cstdlib>
#include <new>

namespace kvshift {

Workspace::Workspace(size_t byte_count) {
    constexpr size_t alignment = 64;
    const size_t rounded = (byte_count + alignment - 1) / alignment * alignment;
    data_ = static_cast<char*>(std::aligned_alloc(alignment, rounded == 0 ? alignment : rounded));
    if (data_ == nullptr) throw std::bad_alloc();
}

Workspace::~Workspace() { std::free(data_); }

}  // namespace kvshift
