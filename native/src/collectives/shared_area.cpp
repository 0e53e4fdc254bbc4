#include "shared_area.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <string>

#include "agreement.h"

namespace kvshift {
namespace {

// Elements that are summed at a time: a page of float32.
constexpr int64_t kBlock = 1024;

// Where another process finds the file, and what stands at its beginning meanwhile, so that no other file is taken for it.
struct Identity {
    int64_t process;
    int64_t file;
    int64_t bytes;
    uint64_t secret;
};

char* map(const Identity& identity) {
    const std::string path = "/proc/" + std::to_string(identity.process) + "/fd/" + std::to_string(identity.file);
    // Opening something else may have effects, and mapping less than all of it ends a process that reads on.
    struct stat found;
    if (stat(path.c_str(), &found) != 0 || !S_ISREG(found.st_mode) || found.st_size < identity.bytes) return nullptr;
    const int file = open(path.c_str(), O_RDWR | O_CLOEXEC);
    if (file < 0) return nullptr;
    void* const memory = mmap(nullptr, static_cast<size_t>(identity.bytes), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (memory == MAP_FAILED) return nullptr;
    if (std::memcmp(memory, &identity.secret, sizeof identity.secret) == 0) return static_cast<char*>(memory);
    munmap(memory, static_cast<size_t>(identity.bytes));
    return nullptr;
}

}  // namespace

int SharedArea::make_file(int64_t bytes) {
    const int file = memfd_create("kvshift", MFD_CLOEXEC);
    // Room is taken now: where it is missing, a write later would end the process.
    if (file < 0 || posix_fallocate(file, 0, bytes) == 0) return file;
    close(file);
    return -1;
}

std::unique_ptr<SharedArea> SharedArea::open(MPI_Comm communicator, int rank, int size, int file, void* data, int64_t bytes) {
    Identity own{getpid(), file, bytes, 0};
    if (file >= 0) {
        std::random_device random;
        own.secret = (static_cast<uint64_t>(random()) << 32 | random()) | 1;
        std::memcpy(data, &own.secret, sizeof own.secret);
    }
    std::vector<Identity> all(size);
    bool holds = MPI_Allgather(&own, sizeof own, MPI_BYTE, all.data(), sizeof own, MPI_BYTE, communicator) == MPI_SUCCESS;
    for (const Identity& other : all) holds = holds && other.file >= 0 && other.bytes == bytes;
    std::unique_ptr<SharedArea> area(new SharedArea(rank, size, data, bytes));
    for (int r = 0; holds && r < size; r++) {
        if (r != rank) area->parts_[r] = map(all[r]);
        holds = area->parts_[r] != nullptr;
    }
    holds = agree(communicator, holds);
    if (file >= 0) std::memset(data, 0, sizeof own.secret);
    return holds ? std::move(area) : nullptr;
}

SharedArea::SharedArea(int rank, int size, void* data, int64_t bytes) : rank_(rank), bytes_(bytes), parts_(size) {
    parts_[rank] = static_cast<char*>(data);
}

SharedArea::~SharedArea() {
    parts_[rank_] = nullptr;
    for (char* const part : parts_)
        if (part != nullptr) munmap(part, static_cast<size_t>(bytes_));
}

int64_t SharedArea::offset_of(const void* buffer, int64_t bytes) const {
    const uintptr_t offset = reinterpret_cast<uintptr_t>(buffer) - reinterpret_cast<uintptr_t>(parts_[rank_]);
    return offset <= static_cast<uintptr_t>(bytes_) && bytes <= bytes_ - static_cast<int64_t>(offset) ? static_cast<int64_t>(offset) : -1;
}

template <typename T>
void SharedArea::sum(int64_t offset, int64_t count, int only_rank) const {
    const int size = static_cast<int>(parts_.size());
    const auto part = [&](int rank, int64_t start) { return reinterpret_cast<T*>(parts_[rank] + offset) + start; };
    T block[kBlock];
    for (int64_t start = 0; start < count; start += kBlock) {
        const int64_t elements = std::min(kBlock, count - start);
        const T* const first = part(0, start);
        const T* const second = part(1, start);
        for (int64_t i = 0; i < elements; i++) block[i] = first[i] + second[i];
        for (int r = 2; r < size; r++) {
            const T* const next = part(r, start);
            for (int64_t i = 0; i < elements; i++) block[i] += next[i];
        }
        for (int r = 0; r < size; r++)
            if (only_rank < 0 || only_rank == r) std::memcpy(part(r, start), block, static_cast<size_t>(elements) * sizeof(T));
    }
}

template void SharedArea::sum<float>(int64_t, int64_t, int) const;
template void SharedArea::sum<double>(int64_t, int64_t, int) const;

}  // namespace kvshift
