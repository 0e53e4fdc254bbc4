// Equally long memory of each rank of a group, which all of them have mapped: buffers that lie in it are summed where they are.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "mpi_c.h"

namespace kvshift {

class SharedArea {
public:
    // A file of anonymous memory, with room for its bytes taken; -1 where there is none. It is bound to no folder, and so to no folder's limit.
    static int make_file(int64_t bytes);

    // Collective, for ranks of one machine. data: where this rank has mapped its file, whose first bytes are overwritten. Null on every
    // rank where some have no file, different lengths, or cannot map those of others. The file may be closed afterwards.
    static std::unique_ptr<SharedArea> open(MPI_Comm communicator, int rank, int size, int file, void* data, int64_t bytes);
    ~SharedArea();
    SharedArea(const SharedArea&) = delete;
    SharedArea& operator=(const SharedArea&) = delete;

    // Where a buffer begins in this rank's part, in bytes; -1: it is not all in it.
    int64_t offset_of(const void* buffer, int64_t bytes) const;

    // Sums count elements that begin at an offset in every rank's part, in the order of the ranks, into the parts of all or of one.
    template <typename T>
    void sum(int64_t offset, int64_t count, int only_rank = -1) const;

private:
    SharedArea(int rank, int size, void* data, int64_t bytes);

    const int rank_;
    const int64_t bytes_;
    // Of every rank. Its own is its caller's mapping; those of others are taken back here.
    std::vector<char*> parts_;
};

}  // namespace kvshift
