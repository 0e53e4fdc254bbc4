#include "element_type.h"

#include "status.h"

namespace kvshift {

const char* dtype_name(int32_t dtype) {
    switch (dtype) {
        case KVS_FLOAT32: return "float32";
        case KVS_FLOAT64: return "float64";
        case KVS_BFLOAT16: return "bfloat16";
        case KVS_INT32: return "int32";
        case KVS_INT64: return "int64";
        default: return nullptr;
    }
}

const char* reduce_op_name(int32_t operation) {
    switch (operation) {
        case KVS_SUM: return "sum";
        case KVS_MAX: return "max";
        case KVS_MIN: return "min";
        default: return nullptr;
    }
}

int64_t byte_size(int32_t dtype) {
    switch (dtype) {
        case KVS_BFLOAT16: return 2;
        case KVS_FLOAT32:
        case KVS_INT32: return 4;
        case KVS_FLOAT64:
        case KVS_INT64: return 8;
        default: throw Error(KVS_INTERNAL_ERROR, "byte_size of an unchecked dtype");
    }
}

MPI_Datatype mpi_type(int32_t dtype) {
    switch (dtype) {
        case KVS_FLOAT32: return MPI_FLOAT;
        case KVS_FLOAT64: return MPI_DOUBLE;
        case KVS_BFLOAT16: return MPI_UINT16_T;
        case KVS_INT32: return MPI_INT32_T;
        case KVS_INT64: return MPI_INT64_T;
        default: throw Error(KVS_INTERNAL_ERROR, "mpi_type of an unchecked dtype");
    }
}

MPI_Op mpi_op(int32_t operation) {
    switch (operation) {
        case KVS_SUM: return MPI_SUM;
        case KVS_MAX: return MPI_MAX;
        case KVS_MIN: return MPI_MIN;
        default: throw Error(KVS_INTERNAL_ERROR, "mpi_op of an unchecked operation");
    }
}

}  // namespace kvshift
