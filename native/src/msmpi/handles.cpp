#include "msmpi/handles.h"

#include <mutex>
#include <vector>

namespace kvshift {
namespace {

// MPICH numbers its own handles from 0x4c000000 on; what is made here begins beyond the predefined ones.
constexpr Handle kFirstMadeType = 0x4c100000;

struct MadeTypes {
    std::mutex mutex;
    std::vector<MPI_Datatype> types;
};

MadeTypes& made() {
    static MadeTypes instance;
    return instance;
}

// The types that MPI.NET has for C#'s numbers.
bool predefined(Handle handle, MPI_Datatype* type) {
    switch (handle) {
        case 0x4c000118: *type = MPI_SIGNED_CHAR; return true;
        case 0x4c00010d: *type = MPI_BYTE; return true;
        case 0x4c000203: *type = MPI_SHORT; return true;
        case 0x4c000204: *type = MPI_UNSIGNED_SHORT; return true;
        case 0x4c000405: *type = MPI_INT; return true;
        case 0x4c000406: *type = MPI_UNSIGNED; return true;
        // Four bytes to Microsoft MPI; MPI.NET asks how many it has here.
        case 0x4c000407: *type = MPI_LONG; return true;
        case 0x4c000408: *type = MPI_UNSIGNED_LONG; return true;
        case 0x4c000809: *type = MPI_LONG_LONG; return true;
        case 0x4c000819: *type = MPI_UNSIGNED_LONG_LONG; return true;
        case 0x4c00040a: *type = MPI_FLOAT; return true;
        case 0x4c00080b: *type = MPI_DOUBLE; return true;
        default: return false;
    }
}

}  // namespace

int find_communicator(Handle handle, MPI_Comm* communicator) {
    switch (handle) {
        case kWorld: *communicator = MPI_COMM_WORLD; return MPI_SUCCESS;
        case kSelf: *communicator = MPI_COMM_SELF; return MPI_SUCCESS;
        default: return MPI_ERR_COMM;
    }
}

int find_type(Handle handle, MPI_Datatype* type) {
    if (predefined(handle, type)) return MPI_SUCCESS;
    MadeTypes& all = made();
    const std::lock_guard<std::mutex> lock(all.mutex);
    const int64_t index = static_cast<int64_t>(handle) - kFirstMadeType;
    if (index < 0 || index >= static_cast<int64_t>(all.types.size())) return MPI_ERR_TYPE;
    *type = all.types[static_cast<size_t>(index)];
    return MPI_SUCCESS;
}

int find_handler(Handle handle, MPI_Errhandler* handler) {
    switch (handle) {
        case kErrorsAreFatal: *handler = MPI_ERRORS_ARE_FATAL; return MPI_SUCCESS;
        case kErrorsReturn: *handler = MPI_ERRORS_RETURN; return MPI_SUCCESS;
        default: return MPI_ERR_ARG;
    }
}

Handle add_type(MPI_Datatype type) {
    MadeTypes& all = made();
    const std::lock_guard<std::mutex> lock(all.mutex);
    all.types.push_back(type);
    return kFirstMadeType + static_cast<Handle>(all.types.size()) - 1;
}

void free_types() {
    MadeTypes& all = made();
    const std::lock_guard<std::mutex> lock(all.mutex);
    for (MPI_Datatype& type : all.types) MPI_Type_free(&type);
    all.types.clear();
}

int class_number(int machine_class) {
    switch (machine_class) {
        case MPI_SUCCESS: return 0;
        case MPI_ERR_BUFFER: return 1;
        case MPI_ERR_COUNT: return 2;
        case MPI_ERR_TYPE: return 3;
        case MPI_ERR_TAG: return 4;
        case MPI_ERR_COMM: return 5;
        case MPI_ERR_RANK: return 6;
        case MPI_ERR_ROOT: return 7;
        case MPI_ERR_GROUP: return 8;
        case MPI_ERR_OP: return 9;
        case MPI_ERR_TOPOLOGY: return 10;
        case MPI_ERR_DIMS: return 11;
        case MPI_ERR_ARG: return 12;
        case MPI_ERR_UNKNOWN: return 13;
        case MPI_ERR_TRUNCATE: return 14;
        case MPI_ERR_INTERN: return 16;
        case MPI_ERR_NO_MEM: return 34;
        // "Other", whose text says what it is.
        default: return 15;
    }
}

}  // namespace kvshift
