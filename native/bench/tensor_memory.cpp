// Counts what a process has in tensors: LD_PRELOAD=libtensor_memory.so TENSOR_MEMORY=FILE PROGRAM. At its end the process writes FILE.PID with the most bytes that were alive
// at a time. libtorch asks posix_memalign for the memory of every tensor on the processor, and nothing else in the program asks it for so much; gradients that ranks
// share lie in files of libkvshift, for which it asks posix_fallocate. Exact where the resident memory is not: that has what was freed and kept, and lacks what was never touched.
#include <dlfcn.h>
#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <mutex>

extern "C" void* __libc_memalign(size_t alignment, size_t bytes);
extern "C" void __libc_free(void* memory);

namespace {

constexpr size_t kAlignment = 64;  // libtorch's.
constexpr size_t kSlots = 1 << 20;
void* const kRemoved = reinterpret_cast<void*>(1);

// Linear probing, since nothing here may allocate.
void* slots[kSlots];
std::mutex guard;
int64_t live, most, shared;

size_t slot_of(const void* memory) { return (reinterpret_cast<uintptr_t>(memory) / kAlignment * 0x9E3779B97F4A7C15ull) % kSlots; }

void took(void* memory) {
    const std::lock_guard<std::mutex> lock(guard);
    size_t slot = slot_of(memory);
    while (slots[slot] != nullptr && slots[slot] != kRemoved) slot = (slot + 1) % kSlots;
    slots[slot] = memory;
    live += static_cast<int64_t>(malloc_usable_size(memory));
    if (live + shared > most) most = live + shared;
}

void gave_back(void* memory) {
    const std::lock_guard<std::mutex> lock(guard);
    for (size_t slot = slot_of(memory); slots[slot] != nullptr; slot = (slot + 1) % kSlots)
        if (slots[slot] == memory) {
            // A slot that ends a run of taken ones is free again; others are passed over.
            slots[slot] = slots[(slot + 1) % kSlots] == nullptr ? nullptr : kRemoved;
            live -= static_cast<int64_t>(malloc_usable_size(memory));
            return;
        }
}

__attribute__((destructor)) void report() {
    const char* const path = std::getenv("TENSOR_MEMORY");
    char name[4096];
    if (path == nullptr || most == 0 || std::snprintf(name, sizeof name, "%s.%d", path, getpid()) >= static_cast<int>(sizeof name)) return;
    if (std::FILE* const file = std::fopen(name, "w")) {
        std::fprintf(file, "%lld\n", static_cast<long long>(most));
        std::fclose(file);
    }
}

}  // namespace

extern "C" __attribute__((visibility("default"))) int posix_memalign(void** memory, size_t alignment, size_t bytes) noexcept {
    void* const taken = __libc_memalign(alignment, bytes);
    if (taken == nullptr) return ENOMEM;
    *memory = taken;
    if (alignment == kAlignment) took(taken);
    return 0;
}

extern "C" __attribute__((visibility("default"))) void free(void* memory) noexcept {
    if (memory != nullptr && reinterpret_cast<uintptr_t>(memory) % kAlignment == 0) gave_back(memory);
    __libc_free(memory);
}

extern "C" __attribute__((visibility("default"))) int posix_fallocate(int file, off_t offset, off_t bytes) noexcept {
    static const auto original = reinterpret_cast<int (*)(int, off_t, off_t)>(dlsym(RTLD_NEXT, "posix_fallocate"));
    const int fault = original(file, offset, bytes);
    if (fault != 0) return fault;
    const std::lock_guard<std::mutex> lock(guard);
    shared += bytes;
    if (live + shared > most) most = live + shared;
    return 0;
}
