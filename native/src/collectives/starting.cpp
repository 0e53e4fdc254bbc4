#include "bfloat16.h"
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

void start_send(kvs_work& work, const void* data) {
    const Call& call = work.call;
    const int64_t bytes = byte_size(call.dtype);
    for_pieces(call.count, [&](const Piece& piece) {
        call.check(MPI_Isend(static_cast<const char*>(data) + piece.offset * bytes, piece.elements, mpi_type(call.dtype), call.root,
                             piece.tag(call.dtype), call.communicator, work.add_request()));
    });
}

void start_receive(kvs_work& work, void* data) {
    const Call& call = work.call;
    const int64_t bytes = byte_size(call.dtype);
    for_pieces(call.count, [&](const Piece& piece) {
        work.received.push_back(piece);
        call.check(MPI_Irecv(static_cast<char*>(data) + piece.offset * bytes, piece.elements, mpi_type(call.dtype), call.root, MPI_ANY_TAG,
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

extern "C" int32_t kvs_send_start(kvs_group* group, int32_t dtype, const void* data, int64_t count, int32_t receiver, kvs_work** work) {
    return started(work, "send", [&](std::unique_ptr<kvs_work>& made) {
        made.reset(new kvs_work(Call::send(group, dtype, data, count, receiver)));
        start_send(*made, data);
    });
}

extern "C" int32_t kvs_receive_start(kvs_group* group, int32_t dtype, void* data, int64_t count, int32_t sender, kvs_work** work) {
    return started(work, "receive", [&](std::unique_ptr<kvs_work>& made) {
        made.reset(new kvs_work(Call::receive(group, dtype, data, count, sender)));
        start_receive(*made, data);
    });
}
