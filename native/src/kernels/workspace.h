// Scratch memory for one call of a kernel. Compiled once, outside the instruction sets, so that what it needs of the standard
// library is never instantiated with their flags.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kvshift {

class Workspace {
public:
    // Throws std::bad_alloc. The memory is aligned to 64 bytes and not initialised.
    explicit Workspace(size_t byte_count);
    ~Workspace();
    Workspace(const Workspace&) = delete;
    Workspace& operator=(const Workspace&) = delete;

    char* data() const { return data_; }

private:
    char* data_;
};

}  // namespace kvshift
