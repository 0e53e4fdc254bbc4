// A group of ranks: a communicator of our own, so that no message of anybody else can meet ours.
#pragma once

#include <string>

#include "kvshift.h"
#include "mpi_c.h"

struct kvs_group {
    MPI_Comm communicator;
    int rank;
    int size;
};

namespace kvshift {

// MPI's text for one of its error codes.
std::string mpi_text(int code);

}  // namespace kvshift
