// Microsoft MPI's functions that MPI.NET calls (src/Parallel/Native/MpiNet.cs), with its integer handles. The library of an MPI's collectives has them;
// exports.cpp has them under MPI's names.
#pragma once

#include <cstdint>

namespace kvshift {

using Handle = int32_t;

struct MsMpiCalls {
    int (*init_thread)(int* argc, char*** argv, int required, int* provided);
    int (*initialized)(int* flag);
    int (*finalized)(int* flag);
    int (*finalize)();
    int (*abort)(Handle comm, int code);
    int (*errhandler_set)(Handle comm, Handle handler);
    int (*error_class)(int code, int* error_class);
    int (*error_string)(int code, char* text, int* length);
    int (*comm_test_inter)(Handle comm, int* flag);
    int (*topo_test)(Handle comm, int* status);
    int (*comm_size)(Handle comm, int* size);
    int (*comm_rank)(Handle comm, int* rank);
    int (*bcast)(void* data, int count, Handle type, int root, Handle comm);
    int (*type_extent)(Handle type, intptr_t* extent);
    int (*type_contiguous)(int count, Handle old_type, Handle* new_type);
    int (*type_commit)(Handle* type);
};

}  // namespace kvshift
