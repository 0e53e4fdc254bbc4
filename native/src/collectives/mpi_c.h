// The C interface of MPI alone: the C++ one is gone from the standard, and its headers warn.
#pragma once

#define OMPI_SKIP_MPICXX 1
#define MPICH_SKIP_MPICXX 1
#include <mpi.h>
