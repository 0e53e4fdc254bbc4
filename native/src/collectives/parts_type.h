// The type of a gathered piece: n consecutive elements of each rank's part, parts count elements apart.
#pragma once

#include "call.h"

namespace kvshift {

class PartsType {
public:
    PartsType(const Call& call, int elements) {
        const MPI_Datatype element = mpi_type(call.dtype);
        MPI_Datatype piece = MPI_DATATYPE_NULL;
        call.check(MPI_Type_contiguous(elements, element, &piece));
        const int code = MPI_Type_create_resized(piece, 0, static_cast<MPI_Aint>(call.count * byte_size(call.dtype)), &type_);
        MPI_Type_free(&piece);
        call.check(code);
        call.check(MPI_Type_commit(&type_));
    }

    // MPI keeps a freed type until the operations that use it are done.
    ~PartsType() {
        if (type_ != MPI_DATATYPE_NULL) MPI_Type_free(&type_);
    }

    PartsType(const PartsType&) = delete;
    PartsType& operator=(const PartsType&) = delete;

    MPI_Datatype get() const { return type_; }

private:
    MPI_Datatype type_ = MPI_DATATYPE_NULL;
};

}  // namespace kvshift
