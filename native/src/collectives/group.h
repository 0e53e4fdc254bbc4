// A group of ranks: a communicator of our own, so that no message of anybody else can meet ours.
#pragma once

#include <memory>
#include <string>

#include "kvshift_collectives.h"
#include "mpi_c.h"

namespace kvshift {
class SharedMemory;
}

struct kvs_group {
    kvs_group(MPI_Comm communicator);
    ~kvs_group();

    MPI_Comm communicator;
    int rank = 0;
    int size = 0;
    // Null: collectives go through MPI.
    std::unique_ptr<kvshift::SharedMemory> shared;
};

namespace kvshift {

// MPI's text for one of its error codes.
std::string mpi_text(int code);

}  // namespace kvshift
