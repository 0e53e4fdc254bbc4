#include "shared_memory.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <new>
#include <random>
#include <string>

#include "agreement.h"
#include "status.h"

namespace kvshift {
namespace {

// Chunks of a rank that can be under way: one being filled, one being summed, one being fetched, and one to be late with.
constexpr int kSlots = 4;
constexpr int64_t kAlignment = 128;
constexpr int64_t kLargestChunk = 1 << 20;
constexpr int64_t kLargestSegment = 32 << 20;
constexpr int64_t kSmallestChunk = 16 << 10;
// Elements that are summed at a time: they stay in the first-level cache.
constexpr int64_t kBlock = 1024;

int64_t chunk_bytes_for(int size) {
    const int64_t share = kLargestSegment / (static_cast<int64_t>(size) * kSlots) / kAlignment * kAlignment;
    return std::clamp(share, kSmallestChunk, kLargestChunk);
}

inline void pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#else
    sched_yield();
#endif
}

// A short spin for a rank that runs at the moment, then naps, so that one that shares a core with what it waits for gives way.
void await(const std::atomic<int64_t>& reached, int64_t wanted) {
    for (int i = 0; i < 500; i++) {
        if (reached.load(std::memory_order_acquire) >= wanted) return;
        pause();
    }
    timespec nap{0, 50'000};
    while (reached.load(std::memory_order_acquire) < wanted) {
        nanosleep(&nap, nullptr);
        nap.tv_nsec = std::min<long>(2 * nap.tv_nsec, 400'000);
    }
}

struct Slice {
    int64_t first;
    int64_t count;
};

// The part of count elements that the part-th of size ranks sums: whole cache lines but for the last.
Slice slice(int64_t count, int part, int size) {
    const int64_t each = ((count + size - 1) / size + 15) / 16 * 16;
    const int64_t first = std::min(count, each * part);
    return {first, std::min(count - first, each)};
}

// Size of the memory of a group, and what only its ranks know, so that one of the same name elsewhere is not taken for it.
struct Identity {
    char name[48];
    uint64_t secret;
};

void* map(int file, int64_t bytes) {
    void* const memory = mmap(nullptr, static_cast<size_t>(bytes), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    return memory == MAP_FAILED ? nullptr : memory;
}

}  // namespace

// What a rank tells the others: how many chunks it has filled, summed and fetched since the beginning, and what each in a slot is of.
struct alignas(kAlignment) SharedMemory::Rank {
    std::atomic<int64_t> filled;
    alignas(kAlignment) std::atomic<int64_t> summed;
    alignas(kAlignment) std::atomic<int64_t> fetched;
    alignas(kAlignment) std::atomic<int64_t> described[kSlots];
};

std::unique_ptr<SharedMemory> SharedMemory::open(MPI_Comm communicator, int rank, int size) {
    static_assert(std::atomic<int64_t>::is_always_lock_free, "ranks share atomics");
    if (size == 1) return nullptr;
    const int64_t chunk = chunk_bytes_for(size);
    const int64_t bytes = kAlignment + size * (static_cast<int64_t>(sizeof(Rank)) + kSlots * chunk);
    Identity identity{};
    void* memory = nullptr;
    if (rank == 0) {
        std::random_device random;
        identity.secret = (static_cast<uint64_t>(random()) << 32 | random()) | 1;
        const std::string name = "/kvshift-" + std::to_string(getpid()) + "-" + std::to_string(identity.secret);
        std::strncpy(identity.name, name.c_str(), sizeof identity.name - 1);
        const int file = shm_open(identity.name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (file >= 0) {
            // Room is taken now: where it is missing, a write later would end the process.
            if (posix_fallocate(file, 0, bytes) == 0) memory = map(file, bytes);
            close(file);
        }
        if (memory != nullptr) {
            for (int r = 0; r < size; r++) new (static_cast<char*>(memory) + kAlignment + r * sizeof(Rank)) Rank{};
            std::memcpy(memory, &identity.secret, sizeof identity.secret);
        }
    }
    const bool is_told = MPI_Bcast(&identity, sizeof identity, MPI_BYTE, 0, communicator) == MPI_SUCCESS;
    if (rank != 0 && is_told) {
        const int file = shm_open(identity.name, O_RDWR | O_CLOEXEC, 0600);
        if (file >= 0) {
            if (lseek(file, 0, SEEK_END) == bytes) memory = map(file, bytes);
            close(file);
        }
        if (memory != nullptr && std::memcmp(memory, &identity.secret, sizeof identity.secret) != 0) {
            munmap(memory, static_cast<size_t>(bytes));
            memory = nullptr;
        }
    }
    const bool all = agree(communicator, memory != nullptr);
    if (rank == 0) shm_unlink(identity.name);
    if (!all) {
        if (memory != nullptr) munmap(memory, static_cast<size_t>(bytes));
        return nullptr;
    }
    return std::unique_ptr<SharedMemory>(new SharedMemory(memory, bytes, chunk, rank, size));
}

SharedMemory::SharedMemory(void* memory, int64_t bytes, int64_t chunk_bytes, int rank, int size)
    : memory_(memory), bytes_(bytes), chunk_bytes_(chunk_bytes), rank_(rank), size_(size) {}

SharedMemory::~SharedMemory() { munmap(memory_, static_cast<size_t>(bytes_)); }

bool SharedMemory::can_reduce(const Call& call) {
    return call.reduce_op == KVS_SUM && (call.dtype == KVS_FLOAT32 || call.dtype == KVS_FLOAT64);
}

SharedMemory::Rank& SharedMemory::of(int rank) const {
    return *reinterpret_cast<Rank*>(static_cast<char*>(memory_) + kAlignment + rank * sizeof(Rank));
}

char* SharedMemory::chunk(int rank, int64_t sequence) const {
    return static_cast<char*>(memory_) + kAlignment + size_ * sizeof(Rank) + (rank * kSlots + sequence % kSlots) * chunk_bytes_;
}

// Returns when this rank's slot is free: everybody has fetched the chunk that was in it.
void SharedMemory::begin_chunk(const Call& call, int64_t sequence) const {
    for (int r = 0; r < size_; r++) await(of(r).fetched, sequence - kSlots + 1);
    of(rank_).described[sequence % kSlots].store(call.fingerprint(), std::memory_order_relaxed);
}

// Returns when everybody has filled a chunk.
void SharedMemory::await_chunks(const Call& call, int64_t sequence) const {
    for (int r = 0; r < size_; r++) {
        await(of(r).filled, sequence + 1);
        call.require_same(of(r).described[sequence % kSlots].load(std::memory_order_relaxed), r);
    }
}

// Elements first .. first + count of everybody's chunk, in the order of the ranks; this rank's own are those from own_offset on.
template <typename T>
void SharedMemory::sum(const T* own, int64_t own_offset, int64_t sequence, int64_t first, int64_t count, T* result) const {
    T block[kBlock];
    for (int64_t start = 0; start < count; start += kBlock) {
        const int64_t elements = std::min(kBlock, count - start);
        for (int r = 0; r < size_; r++) {
            const T* const from =
                r == rank_ ? own + own_offset + start : reinterpret_cast<const T*>(chunk(r, sequence)) + first + start;
            if (r == 0) {
                std::memcpy(block, from, static_cast<size_t>(elements) * sizeof(T));
                continue;
            }
            for (int64_t i = 0; i < elements; i++) block[i] += from[i];
        }
        std::memcpy(result + start, block, static_cast<size_t>(elements) * sizeof(T));
    }
}

// A call whose buffers lie in the area: one chunk that is filled where it is. This rank sums count elements of it from first on.
template <typename T>
void SharedMemory::reduce_in_area(const Call& call, int64_t first, int64_t count, int only_rank) {
    const int64_t sequence = sequence_;
    Rank& own = of(rank_);
    begin_chunk(call, sequence);
    own.filled.store(sequence + 1, std::memory_order_release);
    await_chunks(call, sequence);
    area_->sum<T>(call.area_offset + first * static_cast<int64_t>(sizeof(T)), count, only_rank);
    own.summed.store(sequence + 1, std::memory_order_release);
    // Others read this rank's part until then, or write to it.
    for (int r = 0; r < size_; r++) await(of(r).summed, sequence + 1);
    own.fetched.store(sequence + 1, std::memory_order_release);
    sequence_++;
}

template <typename T>
void SharedMemory::all_reduce_of(const Call& call, T* data) {
    if (call.area_offset >= 0) {
        const Slice part = slice(call.count, rank_, size_);
        return reduce_in_area<T>(call, part.first, part.count, -1);
    }
    const int64_t largest = chunk_bytes_ / static_cast<int64_t>(sizeof(T));
    const int64_t chunks = (call.count + largest - 1) / largest;
    Rank& own = of(rank_);
    const auto elements = [&](int64_t i) { return std::min(largest, call.count - i * largest); };
    // Three chunks are under way: while this rank fills one, others may still fetch what it has summed of the one before the last.
    for (int64_t i = 0; i < chunks + 2; i++) {
        if (i < chunks) {
            const int64_t sequence = sequence_ + i;
            begin_chunk(call, sequence);
            T* const to = reinterpret_cast<T*>(chunk(rank_, sequence));
            const T* const from = data + i * largest;
            for (int r = 0; r < size_; r++) {
                const Slice part = slice(elements(i), r, size_);
                if (r != rank_) std::memcpy(to + part.first, from + part.first, static_cast<size_t>(part.count) * sizeof(T));
            }
            own.filled.store(sequence + 1, std::memory_order_release);
        }
        if (i >= 1 && i - 1 < chunks) {
            const int64_t sequence = sequence_ + i - 1;
            await_chunks(call, sequence);
            const Slice part = slice(elements(i - 1), rank_, size_);
            T* const whole = data + (i - 1) * largest;
            T* const result = reinterpret_cast<T*>(chunk(rank_, sequence)) + part.first;
            sum(whole, part.first, sequence, part.first, part.count, result);
            std::memcpy(whole + part.first, result, static_cast<size_t>(part.count) * sizeof(T));
            own.summed.store(sequence + 1, std::memory_order_release);
        }
        if (i >= 2) {
            const int64_t sequence = sequence_ + i - 2;
            T* const whole = data + (i - 2) * largest;
            for (int r = 0; r < size_; r++) {
                if (r == rank_) continue;
                await(of(r).summed, sequence + 1);
                const Slice part = slice(elements(i - 2), r, size_);
                std::memcpy(whole + part.first, reinterpret_cast<const T*>(chunk(r, sequence)) + part.first,
                            static_cast<size_t>(part.count) * sizeof(T));
            }
            own.fetched.store(sequence + 1, std::memory_order_release);
        }
    }
    sequence_ += chunks;
}

template <typename T>
void SharedMemory::reduce_scatter_of(const Call& call, const T* input, T* output) {
    if (call.area_offset >= 0) return reduce_in_area<T>(call, rank_ * call.count, call.count, rank_);
    const int64_t largest = std::max<int64_t>(1, chunk_bytes_ / static_cast<int64_t>(sizeof(T)) / size_);
    const int64_t chunks = (call.count + largest - 1) / largest;
    Rank& own = of(rank_);
    const auto elements = [&](int64_t i) { return std::min(largest, call.count - i * largest); };
    for (int64_t i = 0; i < chunks + 1; i++) {
        if (i < chunks) {
            const int64_t sequence = sequence_ + i;
            begin_chunk(call, sequence);
            T* const to = reinterpret_cast<T*>(chunk(rank_, sequence));
            for (int r = 0; r < size_; r++)
                if (r != rank_)
                    std::memcpy(to + r * largest, input + r * call.count + i * largest, static_cast<size_t>(elements(i)) * sizeof(T));
            own.filled.store(sequence + 1, std::memory_order_release);
        }
        if (i >= 1) {
            const int64_t sequence = sequence_ + i - 1;
            await_chunks(call, sequence);
            sum(input, rank_ * call.count + (i - 1) * largest, sequence, rank_ * largest, elements(i - 1), output + (i - 1) * largest);
            own.summed.store(sequence + 1, std::memory_order_release);
            own.fetched.store(sequence + 1, std::memory_order_release);
        }
    }
    sequence_ += chunks;
}

void SharedMemory::all_reduce(const Call& call, void* data) {
    if (call.dtype == KVS_FLOAT32) return all_reduce_of(call, static_cast<float*>(data));
    all_reduce_of(call, static_cast<double*>(data));
}

void SharedMemory::reduce_scatter(const Call& call, const void* input, void* output) {
    if (call.dtype == KVS_FLOAT32) return reduce_scatter_of(call, static_cast<const float*>(input), static_cast<float*>(output));
    reduce_scatter_of(call, static_cast<const double*>(input), static_cast<double*>(output));
}

void SharedMemory::all_gather(const Call& call, const void* input, void* output) {
    const int64_t bytes = call.count * byte_size(call.dtype);
    const int64_t chunks = (bytes + chunk_bytes_ - 1) / chunk_bytes_;
    const char* const source = static_cast<const char*>(input);
    char* const target = static_cast<char*>(output);
    Rank& own = of(rank_);
    const auto length = [&](int64_t i) { return static_cast<size_t>(std::min(chunk_bytes_, bytes - i * chunk_bytes_)); };
    if (source != target + rank_ * bytes) std::memcpy(target + rank_ * bytes, source, static_cast<size_t>(bytes));
    for (int64_t i = 0; i < chunks + 1; i++) {
        if (i < chunks) {
            const int64_t sequence = sequence_ + i;
            begin_chunk(call, sequence);
            std::memcpy(chunk(rank_, sequence), source + i * chunk_bytes_, length(i));
            own.filled.store(sequence + 1, std::memory_order_release);
        }
        if (i >= 1) {
            const int64_t sequence = sequence_ + i - 1;
            await_chunks(call, sequence);
            for (int r = 0; r < size_; r++)
                if (r != rank_) std::memcpy(target + r * bytes + (i - 1) * chunk_bytes_, chunk(r, sequence), length(i - 1));
            own.summed.store(sequence + 1, std::memory_order_release);
            own.fetched.store(sequence + 1, std::memory_order_release);
        }
    }
    sequence_ += chunks;
}

}  // namespace kvshift
