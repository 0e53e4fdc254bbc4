#include <cstring>
#include <memory>

#include "bfloat16.h"
#include "call.h"
#include "parts_type.h"
#include "shared_memory.h"
#include "status.h"
#include "tiles.h"

namespace kvshift {
namespace {

void all_reduce_bfloat16(const Call& call, uint16_t* data) {
    const int64_t tile = std::min(call.count, reduction_tile(call.size, sizeof(float)));
    const std::unique_ptr<float[]> staging(new float[tile]);
    for_tiles(call.count, tile, [&](int64_t offset, int elements) {
        widen(data + offset, staging.get(), elements);
        call.check(MPI_Allreduce(MPI_IN_PLACE, staging.get(), elements, MPI_FLOAT, mpi_op(call.reduce_op), call.communicator));
        narrow(staging.get(), data + offset, elements);
    });
}

void all_reduce(const Call& call, void* data) {
    if (call.is_local()) return;
    if (call.shared != nullptr && SharedMemory::can_reduce(call)) return call.shared->all_reduce(call, data);
    if (call.sums_in_float32()) return all_reduce_bfloat16(call, static_cast<uint16_t*>(data));
    const int64_t bytes = byte_size(call.dtype);
    char* const base = static_cast<char*>(data);
    for_tiles(call.count, reduction_tile(call.size, bytes), [&](int64_t offset, int elements) {
        call.check(MPI_Allreduce(MPI_IN_PLACE, base + offset * bytes, elements, mpi_type(call.dtype), mpi_op(call.reduce_op),
                                 call.communicator));
    });
}

void reduce_scatter_bfloat16(const Call& call, const uint16_t* input, uint16_t* output) {
    const int64_t tile = std::min(call.count, part_tile(reduction_tile(call.size, sizeof(float)), call.size));
    const std::unique_ptr<float[]> parts(new float[tile * call.size]);
    const std::unique_ptr<float[]> sum(new float[tile]);
    for_tiles(call.count, tile, [&](int64_t offset, int elements) {
        for (int part = 0; part < call.size; part++)
            widen(input + part * call.count + offset, parts.get() + static_cast<int64_t>(part) * elements, elements);
        call.check(MPI_Reduce_scatter_block(parts.get(), sum.get(), elements, MPI_FLOAT, mpi_op(call.reduce_op),
                                            call.communicator));
        narrow(sum.get(), output + offset, elements);
    });
}

void reduce_scatter(const Call& call, const void* input, void* output) {
    const int64_t bytes = byte_size(call.dtype);
    if (call.is_local()) {
        if (call.count > 0 && output != input) std::memcpy(output, input, static_cast<size_t>(call.count * bytes));
        return;
    }
    if (call.shared != nullptr && SharedMemory::can_reduce(call)) return call.shared->reduce_scatter(call, input, output);
    if (call.sums_in_float32())
        return reduce_scatter_bfloat16(call, static_cast<const uint16_t*>(input), static_cast<uint16_t*>(output));

    const char* const source = static_cast<const char*>(input);
    char* const target = static_cast<char*>(output);
    const int64_t tile = part_tile(reduction_tile(call.size, bytes), call.size);
    const bool in_one_call = call.count <= tile;
    const std::unique_ptr<char[]> packed(in_one_call ? nullptr : new char[tile * call.size * bytes]);
    // MPI's buffers must not overlap.
    const bool in_place = target == source + call.rank * call.count * bytes;
    const std::unique_ptr<char[]> sum(in_place ? new char[std::min(call.count, tile) * bytes] : nullptr);
    for_tiles(call.count, tile, [&](int64_t offset, int elements) {
        const int64_t part_bytes = elements * bytes;
        if (!in_one_call)
            for (int part = 0; part < call.size; part++)
                std::memcpy(packed.get() + part * part_bytes, source + (part * call.count + offset) * bytes,
                            static_cast<size_t>(part_bytes));
        char* const result = target + offset * bytes;
        call.check(MPI_Reduce_scatter_block(in_one_call ? source : packed.get(), in_place ? sum.get() : result, elements,
                                            mpi_type(call.dtype), mpi_op(call.reduce_op), call.communicator));
        if (in_place) std::memcpy(result, sum.get(), static_cast<size_t>(part_bytes));
    });
}

void all_gather(const Call& call, const void* input, void* output) {
    const int64_t bytes = byte_size(call.dtype);
    const char* const source = static_cast<const char*>(input);
    char* const target = static_cast<char*>(output);
    char* const own_part = target + call.rank * call.count * bytes;
    const bool in_place = source == own_part;
    if (call.is_local()) {
        if (call.count > 0 && !in_place) std::memcpy(own_part, source, static_cast<size_t>(call.count * bytes));
        return;
    }
    if (call.shared != nullptr) return call.shared->all_gather(call, input, output);
    const MPI_Datatype type = mpi_type(call.dtype);
    if (call.count <= kLargestMpiCount / call.size) {
        const int elements = static_cast<int>(call.count);
        call.check(MPI_Allgather(in_place ? MPI_IN_PLACE : source, elements, type, target, elements, type, call.communicator));
        return;
    }
    for_tiles(call.count, part_tile(kLargestMpiCount, call.size), [&](int64_t offset, int elements) {
        const PartsType parts(call, elements);
        call.check(MPI_Allgather(in_place ? MPI_IN_PLACE : source + offset * bytes, elements, type, target + offset * bytes, 1,
                                 parts.get(), call.communicator));
    });
}

void broadcast(const Call& call, void* data) {
    if (call.is_local()) return;
    const int64_t bytes = byte_size(call.dtype);
    for_tiles(call.count, kLargestMpiCount, [&](int64_t offset, int elements) {
        call.check(MPI_Bcast(static_cast<char*>(data) + offset * bytes, elements, mpi_type(call.dtype), call.root,
                             call.communicator));
    });
}

void send(const Call& call, const void* data) {
    const int64_t bytes = byte_size(call.dtype);
    for_pieces(call.count, [&](const Piece& piece) {
        call.check(MPI_Send(static_cast<const char*>(data) + piece.offset * bytes, piece.elements, mpi_type(call.dtype), call.root,
                            piece.tag(call.dtype), call.communicator));
    });
}

void receive(const Call& call, void* data) {
    const int64_t bytes = byte_size(call.dtype);
    for_pieces(call.count, [&](const Piece& piece) {
        MPI_Status status;
        const int code = MPI_Recv(static_cast<char*>(data) + piece.offset * bytes, piece.elements, mpi_type(call.dtype), call.root, MPI_ANY_TAG,
                                  call.communicator, &status);
        call.check_received(code, status, piece);
    });
}

}  // namespace
}  // namespace kvshift

using namespace kvshift;

extern "C" int32_t kvs_all_reduce(kvs_group* group, int32_t dtype, int32_t operation, void* data, int64_t count) {
    return guarded([&] { all_reduce(Call::all_reduce(group, dtype, operation, data, count), data); });
}

extern "C" int32_t kvs_reduce_scatter(kvs_group* group, int32_t dtype, int32_t operation, const void* input, void* output,
                                      int64_t count) {
    return guarded(
        [&] { reduce_scatter(Call::reduce_scatter(group, dtype, operation, input, output, count), input, output); });
}

extern "C" int32_t kvs_all_gather(kvs_group* group, int32_t dtype, const void* input, void* output, int64_t count) {
    return guarded([&] { all_gather(Call::all_gather(group, dtype, input, output, count), input, output); });
}

extern "C" int32_t kvs_broadcast(kvs_group* group, int32_t dtype, void* data, int64_t count, int32_t root) {
    return guarded([&] { broadcast(Call::broadcast(group, dtype, data, count, root), data); });
}

extern "C" int32_t kvs_send(kvs_group* group, int32_t dtype, const void* data, int64_t count, int32_t receiver) {
    return guarded([&] { send(Call::send(group, dtype, data, count, receiver), data); });
}

extern "C" int32_t kvs_receive(kvs_group* group, int32_t dtype, void* data, int64_t count, int32_t sender) {
    return guarded([&] { receive(Call::receive(group, dtype, data, count, sender), data); });
}

extern "C" int32_t kvs_barrier(kvs_group* group) {
    return guarded([&] {
        const Call call = Call::barrier(group);
        if (call.size > 1) call.check(MPI_Barrier(call.communicator));
    });
}
