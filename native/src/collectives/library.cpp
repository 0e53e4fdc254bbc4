// What the library says of itself and of the MPI behind it.
#include "kvshift_collectives.h"
#include "mpi_c.h"
#include "status.h"

using namespace kvshift;

extern "C" int32_t kvs_collectives_abi_version(void) { return KVS_ABI_VERSION; }

extern "C" const char* kvs_collectives_last_error(void) { return last_error(); }

extern "C" int32_t kvs_mpi_name(const char** name) {
    return guarded([&] {
        require(name != nullptr, "kvs_mpi_name: name is null");
        static const std::string text = [] {
            char found[MPI_MAX_LIBRARY_VERSION_STRING + 1] = {};
            int length = 0;
            if (MPI_Get_library_version(found, &length) != MPI_SUCCESS) throw Error(KVS_MPI_ERROR, "MPI_Get_library_version failed");
            // MPICH tells its whole configuration, line by line; the first has the name.
            const std::string all(found);
            return all.substr(0, all.find('\n'));
        }();
        *name = text.c_str();
    });
}
