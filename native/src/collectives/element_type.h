// What MPI has to know about a kvs_dtype and a kvs_reduce_op.
#pragma once

#include <cstdint>

#include "kvshift_collectives.h"
#include "mpi_c.h"

namespace kvshift {

// Null for a value outside the enumeration.
const char* dtype_name(int32_t dtype);
const char* reduce_op_name(int32_t operation);

int64_t byte_size(int32_t dtype);

// The type that moves an element. MPI cannot add bfloat16, so those move as integers and are summed as float32.
MPI_Datatype mpi_type(int32_t dtype);

MPI_Op mpi_op(int32_t operation);

}  // namespace kvshift
