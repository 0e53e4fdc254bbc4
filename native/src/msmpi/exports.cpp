// libkvshift_msmpi: stands for msmpi.dll, which MPI.NET 1.4.0 is compiled against. Its handles are integers, where those of Open MPI are pointers.
//
// The names are MPI's own, with other types than mpi.h has for them. So this library knows no MPI, neither in its sources nor as a library that it
// needs: what is looked up in a library is looked up in those that it needs too, and a function that is missing here would be found in the machine's
// MPI, with other types. What it does comes from the collectives' library, by a table.
#include "kvshift.h"
#include "msmpi/calls.h"

using kvshift::Handle;

namespace {
const kvshift::MsMpiCalls* calls = nullptr;
}

extern "C" {

KVS_API int32_t kvs_msmpi_abi_version(void) { return KVS_ABI_VERSION; }

// Once, before any other: the table of kvs_msmpi_calls.
KVS_API void kvs_msmpi_use(const void* table) { calls = static_cast<const kvshift::MsMpiCalls*>(table); }

KVS_API int MPI_Init_thread(int* argc, char*** argv, int required, int* provided) { return calls->init_thread(argc, argv, required, provided); }
KVS_API int MPI_Initialized(int* flag) { return calls->initialized(flag); }
KVS_API int MPI_Finalized(int* flag) { return calls->finalized(flag); }
KVS_API int MPI_Finalize() { return calls->finalize(); }
KVS_API int MPI_Abort(Handle comm, int code) { return calls->abort(comm, code); }
KVS_API int MPI_Errhandler_set(Handle comm, Handle handler) { return calls->errhandler_set(comm, handler); }
KVS_API int MPI_Error_class(int code, int* error_class) { return calls->error_class(code, error_class); }
KVS_API int MPI_Error_string(int code, char* text, int* length) { return calls->error_string(code, text, length); }
KVS_API int MPI_Comm_test_inter(Handle comm, int* flag) { return calls->comm_test_inter(comm, flag); }
KVS_API int MPI_Topo_test(Handle comm, int* status) { return calls->topo_test(comm, status); }
KVS_API int MPI_Comm_size(Handle comm, int* size) { return calls->comm_size(comm, size); }
KVS_API int MPI_Comm_rank(Handle comm, int* rank) { return calls->comm_rank(comm, rank); }
KVS_API int MPI_Bcast(void* data, int count, Handle type, int root, Handle comm) { return calls->bcast(data, count, type, root, comm); }
KVS_API int MPI_Type_extent(Handle type, intptr_t* extent) { return calls->type_extent(type, extent); }
KVS_API int MPI_Type_contiguous(int count, Handle old_type, Handle* new_type) { return calls->type_contiguous(count, old_type, new_type); }
KVS_API int MPI_Type_commit(Handle* type) { return calls->type_commit(type); }

}  // extern "C"
