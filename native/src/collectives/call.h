// One collective or message as its caller asked for it: refused here if it makes no sense, and named in every text about it.
#pragma once

#include <cstdint>
#include <string>

#include "element_type.h"
#include "group.h"
#include "pieces.h"

namespace kvshift {

class Call {
public:
    static Call all_reduce(const kvs_group* group, int32_t dtype, int32_t reduce_op, const void* data, int64_t count);
    static Call reduce_scatter(const kvs_group* group, int32_t dtype, int32_t reduce_op, const void* input, const void* output,
                               int64_t count);
    static Call all_gather(const kvs_group* group, int32_t dtype, const void* input, const void* output, int64_t count);
    static Call broadcast(const kvs_group* group, int32_t dtype, const void* data, int64_t count, int32_t root);
    static Call barrier(const kvs_group* group);
    static Call send(const kvs_group* group, int32_t dtype, const void* data, int64_t count, int32_t receiver);
    static Call receive(const kvs_group* group, int32_t dtype, const void* data, int64_t count, int32_t sender);

    // Throws what MPI has to say about this call, unless code is MPI_SUCCESS.
    void check(int code) const;

    // A call that has nothing to tell other ranks: one rank, or no elements.
    bool is_local() const { return size == 1 || count == 0; }
    // Throws unless a message that MPI ended with code is the piece that was to be received.
    void check_received(int code, const MPI_Status& status, const Piece& piece) const;
    // A number that tells this call from others of the group.
    int64_t fingerprint() const;
    // Throws unless a rank has come with the same call.
    void require_same(int64_t fingerprint, int other) const;
    bool sums_in_float32() const { return dtype == KVS_BFLOAT16; }

    const MPI_Comm communicator;
    // Null: through MPI.
    SharedMemory* const shared;
    const int rank;
    const int size;
    const int32_t dtype;
    const int64_t count;
    const int32_t reduce_op;
    // Of a broadcast the root, of a message the other rank.
    const int32_t root;
    // Where in the group's shared area the result comes to stand in place, in bytes; -1: elsewhere.
    int64_t area_offset = -1;

private:
    static constexpr int32_t kNone = INT32_MIN;

    Call(const char* operation, const kvs_group* group, int32_t dtype, int64_t count, int32_t reduce_op, int32_t root);

    std::string describe() const;
    void require(bool holds, const std::string& text) const;
    void check_elements(int64_t buffers) const;
    void check_reduce_op() const;
    void find_area(const void* data, int64_t bytes);
    void check_peer(const void* data) const;
    void check_pointer(const void* pointer, const char* name) const;

    const char* const operation_;
};

}  // namespace kvshift
