// Microsoft MPI's integer handles, which MPI.NET has, and what they are in the machine's MPI, whose handles may be pointers.
#pragma once

#include "collectives/mpi_c.h"
#include "msmpi/calls.h"

namespace kvshift {

// Predefined handles of Microsoft MPI, which are those of MPICH at the time when it was made.
constexpr Handle kWorld = 0x44000000;
constexpr Handle kSelf = 0x44000001;
constexpr Handle kErrorsAreFatal = 0x54000000;
constexpr Handle kErrorsReturn = 0x54000001;

// Each of these returns MPI_SUCCESS, or the machine's code for a handle that there is not.
int find_communicator(Handle handle, MPI_Comm* communicator);
int find_type(Handle handle, MPI_Datatype* type);
int find_handler(Handle handle, MPI_Errhandler* handler);

// A handle for a type that the machine's MPI has made.
Handle add_type(MPI_Datatype type);

// Frees those. MPI.NET leaves its types to the end of MPI, and MPICH then speaks of a leak.
void free_types();

// The number that Microsoft MPI has for an error class of the machine's MPI.
int class_number(int machine_class);

}  // namespace kvshift
