// Collectives of ranks on one machine through memory that all of them map, without MPI. A buffer passes through in chunks, several of
// which are under way at a time, so that no rank has to be running at the moment when another is: on cores that also compute,
// a rank that waits sleeps, where MPI would spin. Sums are taken in the order of the ranks, by one rank for each element.
#pragma once

#include <cstdint>
#include <memory>

#include "call.h"
#include "shared_area.h"

namespace kvshift {

class SharedMemory {
public:
    // Collective. Null on every rank where some of them cannot map the same memory: other machines, no room in /dev/shm.
    static std::unique_ptr<SharedMemory> open(MPI_Comm communicator, int rank, int size);
    ~SharedMemory();
    SharedMemory(const SharedMemory&) = delete;
    SharedMemory& operator=(const SharedMemory&) = delete;

    // Whether a reduction can be taken: sums of float32 and float64.
    static bool can_reduce(const Call& call);

    // Sums over buffers in the area are taken there, without a copy. Without one, or elsewhere, they go through chunks.
    void use(std::unique_ptr<SharedArea> area) { area_ = std::move(area); }
    // Null: none.
    const SharedArea* area() const { return area_.get(); }

    void all_reduce(const Call& call, void* data);
    // output may be this rank's own part of input.
    void reduce_scatter(const Call& call, const void* input, void* output);
    void all_gather(const Call& call, const void* input, void* output);

private:
    struct Rank;

    SharedMemory(void* memory, int64_t bytes, int64_t chunk_bytes, int rank, int size);

    Rank& of(int rank) const;
    char* chunk(int rank, int64_t sequence) const;
    void begin_chunk(const Call& call, int64_t sequence) const;
    void await_chunks(const Call& call, int64_t sequence) const;
    template <typename T>
    void sum(const T* own, int64_t own_offset, int64_t sequence, int64_t first, int64_t count, T* result) const;
    template <typename T>
    void reduce_in_area(const Call& call, int64_t first, int64_t count, int only_rank);
    template <typename T>
    void all_reduce_of(const Call& call, T* data);
    template <typename T>
    void reduce_scatter_of(const Call& call, const T* input, T* output);

    void* const memory_;
    const int64_t bytes_;
    const int64_t chunk_bytes_;
    const int rank_;
    const int size_;
    std::unique_ptr<SharedArea> area_;
    // Chunks before this call, the same number on every rank.
    int64_t sequence_ = 0;
};

}  // namespace kvshift
