#include "call.h"

#include <limits>

#include "shared_memory.h"
#include "status.h"

namespace kvshift {
namespace {

// Known by its address.
constexpr char kSend[] = "send";

const kvs_group* not_null(const kvs_group* group, const char* operation) {
    if (group == nullptr) throw Error(KVS_INVALID_ARGUMENT, std::string(operation) + ": group is null");
    return group;
}

bool overlap(const void* a, int64_t a_bytes, const void* b, int64_t b_bytes) {
    const auto a_start = reinterpret_cast<uintptr_t>(a);
    const auto b_start = reinterpret_cast<uintptr_t>(b);
    return a_start < b_start + static_cast<uintptr_t>(b_bytes) && b_start < a_start + static_cast<uintptr_t>(a_bytes);
}

}  // namespace

Call::Call(const char* operation, const kvs_group* group, int32_t dtype, int64_t count, int32_t reduce_op, int32_t root)
    : communicator(not_null(group, operation)->communicator),
      shared(group->shared.get()),
      rank(group->rank),
      size(group->size),
      dtype(dtype),
      count(count),
      reduce_op(reduce_op),
      root(root),
      operation_(operation) {}

Call Call::all_reduce(const kvs_group* group, int32_t dtype, int32_t reduce_op, const void* data, int64_t count) {
    Call call("all_reduce", group, dtype, count, reduce_op, kNone);
    call.check_elements(1);
    call.check_reduce_op();
    call.check_pointer(data, "data");
    call.find_area(data, count * byte_size(dtype));
    return call;
}

Call Call::reduce_scatter(const kvs_group* group, int32_t dtype, int32_t reduce_op, const void* input, const void* output,
                          int64_t count) {
    Call call("reduce_scatter", group, dtype, count, reduce_op, kNone);
    call.check_elements(call.size);
    call.check_reduce_op();
    call.check_pointer(input, "input");
    call.check_pointer(output, "output");
    const int64_t bytes = count * byte_size(dtype);
    const bool in_place = output == static_cast<const char*>(input) + call.rank * bytes;
    call.require(in_place || !overlap(input, bytes * call.size, output, bytes), "input and output overlap; pass separate buffers");
    if (in_place) call.find_area(input, bytes * call.size);
    return call;
}

Call Call::all_gather(const kvs_group* group, int32_t dtype, const void* input, const void* output, int64_t count) {
    Call call("all_gather", group, dtype, count, kNone, kNone);
    call.check_elements(call.size);
    call.check_pointer(input, "input");
    call.check_pointer(output, "output");
    const int64_t bytes = count * byte_size(dtype);
    const bool in_place = input == static_cast<const char*>(output) + call.rank * bytes;
    call.require(in_place || !overlap(input, bytes, output, bytes * call.size),
                 "input overlaps output without being this rank's own part of it; pass that part or a separate buffer");
    return call;
}

Call Call::broadcast(const kvs_group* group, int32_t dtype, const void* data, int64_t count, int32_t root) {
    Call call("broadcast", group, dtype, count, kNone, root);
    call.check_elements(1);
    call.require(root >= 0 && root < call.size, "there is no such root; pass a rank from 0 to " + std::to_string(call.size - 1));
    call.check_pointer(data, "data");
    return call;
}

Call Call::barrier(const kvs_group* group) { return Call("barrier", group, kNone, 0, kNone, kNone); }

Call Call::send(const kvs_group* group, int32_t dtype, const void* data, int64_t count, int32_t receiver) {
    Call call(kSend, group, dtype, count, kNone, receiver);
    call.check_peer(data);
    return call;
}

Call Call::receive(const kvs_group* group, int32_t dtype, const void* data, int64_t count, int32_t sender) {
    Call call("receive", group, dtype, count, kNone, sender);
    call.check_peer(data);
    return call;
}

void Call::check(int code) const {
    if (code != MPI_SUCCESS) throw Error(KVS_MPI_ERROR, describe() + ": " + mpi_text(code));
}

void Call::check_received(int code, const MPI_Status& status, const Piece& piece) const {
    int error_class = MPI_SUCCESS;
    if (code != MPI_SUCCESS) MPI_Error_class(code, &error_class);
    if (error_class == MPI_ERR_TRUNCATE) throw Error(KVS_MPI_ERROR, describe() + ": it sent more: " + mpi_text(code));
    check(code);
    const int32_t sent_dtype = Piece::dtype_of(status.MPI_TAG);
    const bool is_last = Piece::is_last_of(status.MPI_TAG);
    int sent = 0;
    check(MPI_Get_count(&status, mpi_type(sent_dtype), &sent));
    if (sent_dtype == dtype && sent == piece.elements && is_last == piece.is_last) return;
    throw Error(KVS_MPI_ERROR, describe() + ": it sent " + std::to_string(piece.offset + sent) + " " + dtype_name(sent_dtype) + (is_last ? "" : " and more"));
}

int64_t Call::fingerprint() const {
    int64_t mixed = count * 31 + area_offset;
    for (const char* letter = operation_; *letter != 0; letter++) mixed = (mixed * 31 + *letter) & 0x00ffffffffffffff;
    return mixed * 64 + dtype * 8 + (reduce_op == kNone ? 7 : reduce_op);
}

void Call::require_same(int64_t found, int other) const {
    if (found != fingerprint())
        throw Error(KVS_MPI_ERROR, describe() + ": rank " + std::to_string(other) + " of the group came with another operation, count or dtype"
                                       + (area_offset >= 0 ? ", or at another place" : ""));
}

std::string Call::describe() const {
    std::string text = "rank " + std::to_string(rank) + " of " + std::to_string(size) + ": " + operation_;
    if (dtype != kNone || count != 0) {
        const char* name = dtype_name(dtype);
        text += " of " + std::to_string(count) + " "
                + (name != nullptr ? std::string(name) : "elements of dtype " + std::to_string(dtype));
    }
    if (reduce_op != kNone) {
        const char* name = reduce_op_name(reduce_op);
        text += " (" + (name != nullptr ? std::string(name) : "operation " + std::to_string(reduce_op)) + ")";
    }
    if (area_offset >= 0) text += " at byte " + std::to_string(area_offset) + " of shared memory";
    if (root != kNone) text += (operation_ == kSend ? " to rank " : " from rank ") + std::to_string(root);
    return text;
}

void Call::require(bool holds, const std::string& text) const {
    if (!holds) throw Error(KVS_INVALID_ARGUMENT, describe() + ": " + text);
}

void Call::check_elements(int64_t buffers) const {
    require(dtype_name(dtype) != nullptr, "there is no such dtype; pass a value of kvs_dtype");
    require(count >= 0, "the count is negative; pass 0 or more elements");
    require(count <= std::numeric_limits<int64_t>::max() / 8 / buffers, "the count is beyond any memory; pass elements, not bytes");
}

void Call::check_reduce_op() const {
    require(reduce_op_name(reduce_op) != nullptr, "there is no such operation; pass a value of kvs_reduce_op");
}

void Call::find_area(const void* data, int64_t bytes) {
    if (shared != nullptr && shared->area() != nullptr && SharedMemory::can_reduce(*this)) area_offset = shared->area()->offset_of(data, bytes);
}

void Call::check_peer(const void* data) const {
    check_elements(1);
    require(root >= 0 && root < size && root != rank, "there is no such rank to talk to; pass one from 0 to " + std::to_string(size - 1) + " but this one");
    check_pointer(data, "data");
}

void Call::check_pointer(const void* pointer, const char* name) const {
    require(pointer != nullptr || count == 0, std::string(name) + " is null");
}

}  // namespace kvshift
