#pragma once

#include "mpi_c.h"

namespace kvshift {

// Collective. Whether something holds on every rank.
inline bool agree(MPI_Comm communicator, bool holds) {
    int all = holds ? 1 : 0;
    return MPI_Allreduce(MPI_IN_PLACE, &all, 1, MPI_INT, MPI_MIN, communicator) == MPI_SUCCESS && all == 1;
}

}  // namespace kvshift
