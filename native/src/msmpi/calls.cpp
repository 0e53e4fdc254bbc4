#include "msmpi/calls.h"

#include <algorithm>
#include <cstring>

#include "kvshift_collectives.h"
#include "msmpi/handles.h"

namespace kvshift {
namespace {

// MPI.NET's buffer for a text of an error, whatever the machine's MPI has as its limit.
constexpr int kMaxErrorString = 512;

// MPI.NET's arguments are those that were given to it, not the program's; MPI takes none of them.
int init_thread(int*, char***, int required, int* provided) { return MPI_Init_thread(nullptr, nullptr, required, provided); }

int initialized(int* flag) { return MPI_Initialized(flag); }

int finalized(int* flag) { return MPI_Finalized(flag); }

int finalize() {
    free_types();
    return MPI_Finalize();
}

int abort_ranks(Handle comm, int code) {
    MPI_Comm communicator;
    const int found = find_communicator(comm, &communicator);
    return found != MPI_SUCCESS ? found : MPI_Abort(communicator, code);
}

int errhandler_set(Handle comm, Handle handler) {
    MPI_Comm communicator;
    int found = find_communicator(comm, &communicator);
    if (found != MPI_SUCCESS) return found;
    MPI_Errhandler machine_handler;
    found = find_handler(handler, &machine_handler);
    return found != MPI_SUCCESS ? found : MPI_Comm_set_errhandler(communicator, machine_handler);
}

int error_class(int code, int* result) {
    int machine_class = 0;
    const int status = MPI_Error_class(code, &machine_class);
    if (status == MPI_SUCCESS) *result = class_number(machine_class);
    return status;
}

int error_string(int code, char* text, int* length) {
    char found[MPI_MAX_ERROR_STRING + 1] = {};
    int found_length = 0;
    const int status = MPI_Error_string(code, found, &found_length);
    if (status != MPI_SUCCESS) return status;
    *length = std::min(found_length, kMaxErrorString - 1);
    std::memcpy(text, found, static_cast<size_t>(*length));
    text[*length] = '\0';
    return MPI_SUCCESS;
}

int comm_test_inter(Handle comm, int* flag) {
    MPI_Comm communicator;
    const int found = find_communicator(comm, &communicator);
    return found != MPI_SUCCESS ? found : MPI_Comm_test_inter(communicator, flag);
}

int topo_test(Handle comm, int* status) {
    constexpr int graph = 1, cart = 2, undefined = -32766;
    MPI_Comm communicator;
    const int found = find_communicator(comm, &communicator);
    if (found != MPI_SUCCESS) return found;
    int machine_status = MPI_UNDEFINED;
    const int code = MPI_Topo_test(communicator, &machine_status);
    *status = machine_status == MPI_CART ? cart : machine_status == MPI_GRAPH ? graph : undefined;
    return code;
}

int comm_size(Handle comm, int* size) {
    MPI_Comm communicator;
    const int found = find_communicator(comm, &communicator);
    return found != MPI_SUCCESS ? found : MPI_Comm_size(communicator, size);
}

int comm_rank(Handle comm, int* rank) {
    MPI_Comm communicator;
    const int found = find_communicator(comm, &communicator);
    return found != MPI_SUCCESS ? found : MPI_Comm_rank(communicator, rank);
}

int bcast(void* data, int count, Handle type, int root, Handle comm) {
    MPI_Comm communicator;
    int found = find_communicator(comm, &communicator);
    if (found != MPI_SUCCESS) return found;
    MPI_Datatype machine_type;
    found = find_type(type, &machine_type);
    return found != MPI_SUCCESS ? found : MPI_Bcast(data, count, machine_type, root, communicator);
}

int type_extent(Handle type, intptr_t* extent) {
    MPI_Datatype machine_type;
    const int found = find_type(type, &machine_type);
    if (found != MPI_SUCCESS) return found;
    MPI_Aint lower = 0, length = 0;
    const int status = MPI_Type_get_extent(machine_type, &lower, &length);
    *extent = static_cast<intptr_t>(length);
    return status;
}

int type_contiguous(int count, Handle old_type, Handle* new_type) {
    MPI_Datatype machine_type;
    const int found = find_type(old_type, &machine_type);
    if (found != MPI_SUCCESS) return found;
    MPI_Datatype made;
    const int status = MPI_Type_contiguous(count, machine_type, &made);
    if (status == MPI_SUCCESS) *new_type = add_type(made);
    return status;
}

// A committed type keeps its handle.
int type_commit(Handle* type) {
    MPI_Datatype machine_type;
    const int found = find_type(*type, &machine_type);
    return found != MPI_SUCCESS ? found : MPI_Type_commit(&machine_type);
}

const MsMpiCalls kCalls = {
    init_thread, initialized, finalized, finalize, abort_ranks, errhandler_set, error_class, error_string,
    comm_test_inter, topo_test, comm_size, comm_rank, bcast, type_extent, type_contiguous, type_commit,
};

}  // namespace
}  // namespace kvshift

extern "C" const void* kvs_msmpi_calls(void) { return &kvshift::kCalls; }
