#include <cstring>

#include "bfloat16.h"
#include "parts_type.h"
#include "status.h"
#include "tiles.h"
#include "work.h"

namespace kvshift {
namespace {

// Lets start post requests. When one of several fails, those before it are under way and keep what they use.
template <typename Start>
int32_t started(kvs_work** result, const char* operation, Start&& start) {
    return guarded([&] {
        if (result == nullptr) throw Error(KVS_INVALID_ARGUMENT, std::string(operation) + ": work is null");
        std::unique_ptr<kvs_work> work;
        try {
            start(work);
        } catch (...) {
            if (work != nullptr && !work->requests.empty()) work.release();
            throw;
        }
        *result = work.release();
    });
}

void start_all_reduce(kvs_work& work, void* data) {
    const Call& call = work.call;
    if (call.is_local()) return;
    MPI_Datatype type = mpi_type(call.dtype);
    int64_t bytes = byte_size(call.dtype);
    char* base = static_cast<char*>(data);
    if (call.sums_in_float32()) {
        work.staging.reset(new float[call.count]);
        work.reduced = work.staging.get();
        work.rounded = static_cast<uint16_t*>(data);
        widen(work.rounded, work.staging.get(), call.count);
        type = MPI_FLOAT;
        bytes = sizeof(float);
        base = reinterpret_cast<char*>(work.staging.get());
    }
    for_tiles(call.count, reduction_tile(call.size, bytes), [&](int64_t offset, int elements) {
        call.check(MPI_Iallreduce(MPI_IN_PLACE, base + offset * bytes, elements, type, mpi_op(call.reduce_op),
                                  call.communicator, work.add_request()));
    });
}

// A reduction to each rank of its part: unlike MPI's own non-blocking reduce-scatter in Open MPI this does not pass
// everything through one rank, and the parts need no packing.
void start_reduce_scatter(kvs_work& work, const void* input, void* output) {
    const Call& call = work.call;
    MPI_Datatype type = mpi_type(call.dtype);
    int64_t bytes = byte_size(call.dtype);
    if (call.is_local()) {
        if (call.count > 0) std::memcpy(output, input, static_cast<size_t>(call.count * bytes));
        return;
    }
    const char* source = static_cast<const char*>(input);
    char* target = static_cast<char*>(output);
    if (call.sums_in_float32()) {
        work.staging.reset(new float[call.count * (call.size + 1)]);
        float* const sum = work.staging.get() + call.count * call.size;
        work.reduced = sum;
        work.rounded = static_cast<uint16_t*>(output);
        widen(static_cast<const uint16_t*>(input), work.staging.get(), call.count * call.size);
        type = MPI_FLOAT;
        bytes = sizeof(float);
        source = reinterpret_cast<const char*>(work.staging.get());
        target = reinterpret_cast<char*>(sum);
    }
    for_tiles(call.count, reduction_tile(call.size, bytes), [&](int64_t offset, int elements) {
        for (int part = 0; part < call.size; part++)
            call.check(MPI_Ireduce(source + (part * call.count + offset) * bytes, target + offset * bytes, elements, type,
                                   mpi_op(call.reduce_op), part, call.communicator, work.add_request()));
    });
}

void start_all_gather(kvs_work& work, const void* input, void* output) {
    const Call& call = work.call;
    const int64_t bytes = byte_size(call.dtype);
    const char* const source = static_cast<const char*>(input);
    char* const target = static_cast<char*>(output);
    char* const own_part = target + call.rank * call.count * bytes;
    const bool in_place = source == own_part;
    if (call.is_local()) {
        if (call.count > 0 && !in_place) std::memcpy(own_part, source, static_cast<size_t>(call.count * bytes));
        return;
    }
    for_tiles(call.count, part_tile(kLargestMpiCount, call.size), [&](int64_t offset, int elements) {
        const PartsType parts(call, elements);
        call.check(MPI_Iallgather(in_place ? MPI_IN_PLACE : source + offset * bytes, elements, mpi_type(call.dtype),
                                  target + offset * bytes, 1, parts.get(), call.communicator, work.add_request()));
    });
}

void start_broadcast(kvs_work& work, void* data) {
    const Call& call = work.call;
    if (call.is_local()) return;
    const int64_t bytes = byte_size(call.dtype);
    for_tiles(call.count, kLargestMpiCount, [&](int64_t offset, int elements) {
        call.check(MPI_Ibcast(static_cast<char*>(data) + offset * bytes, elements, mpi_type(call.dtype), call.root,
                              call.communicator, work.add_request()));
    });
}

}  // namespace
}  // namespace kvshift

using namespace kvshift;

extern "C" int32_t kvs_all_reduce_start(kvs_group* group, int32_t dtype, int32_t operation, void* data, int64_t count,
                                        kvs_work** work) {
    return started(work, "all_reduce", [&](std::unique_ptr<kvs_work>& made) {
        made.reset(new kvs_work(Call::all_reduce(group, dtype, operation, data, count)));
        start_all_reduce(*made, data);
    });
}

extern "C" int32_t kvs_reduce_scatter_start(kvs_group* group, int32_t dtype, int32_t operation, const void* input, void* output,
                                            int64_t count, kvs_work** work) {
    return started(work, "reduce_scatter", [&](std::unique_ptr<kvs_work>& made) {
        made.reset(new kvs_work(Call::reduce_scatter(group, dtype, operation, input, output, count, false)));
        start_reduce_scatter(*made, input, output);
    });
}

extern "C" int32_t kvs_all_gather_start(kvs_group* group, int32_t dtype, const void* input, void* output, int64_t count,
                                        kvs_work** work) {
    return started(work, "all_gather", [&](std::unique_ptr<kvs_work>& made) {
        made.reset(new kvs_work(Call::all_gather(group, dtype, input, output, count)));
        start_all_gather(*made, input, output);
    });
}

extern "C" int32_t kvs_broadcast_start(kvs_group* group, int32_t dtype, void* data, int64_t count, int32_t root,
                                       kvs_work** work) {
    return started(work, "broadcast", [&](std::unique_ptr<kvs_work>& made) {
        made.reset(new kvs_work(Call::broadcast(group, dtype, data, count, root)));
        start_broadcast(*made, data);
    });
}
