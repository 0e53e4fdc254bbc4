#include "group.h"

#include <memory>
#include <mutex>

#include "shared_memory.h"
#include "status.h"

namespace kvshift {
namespace {

// Who started MPI and how many groups use it: the last group to go ends an MPI that this library started.
struct Runtime {
    std::mutex mutex;
    bool started_here = false;
    int groups = 0;
};

Runtime& runtime() {
    static Runtime instance;
    return instance;
}

void check(int code, const std::string& what) {
    if (code != MPI_SUCCESS) throw Error(KVS_MPI_ERROR, what + ": " + mpi_text(code));
}

bool finalized() {
    int flag = 0;
    MPI_Finalized(&flag);
    return flag != 0;
}

void start_mpi(Runtime& mpi) {
    if (finalized())
        throw Error(KVS_UNSUPPORTED,
                    "kvs_world: MPI has been finalized in this process and cannot start again; open the world before that");
    int initialized = 0;
    MPI_Initialized(&initialized);
    if (initialized) return;
    int provided = 0;
    check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &provided), "kvs_world: MPI_Init_thread");
    mpi.started_here = true;
}

// Takes over the communicator. Its errors come back as codes instead of ending the program.
kvs_group* adopt(MPI_Comm communicator, Runtime& mpi) {
    std::unique_ptr<kvs_group> group(new kvs_group(communicator));
    check(MPI_Comm_set_errhandler(communicator, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
    check(MPI_Comm_rank(communicator, &group->rank), "MPI_Comm_rank");
    check(MPI_Comm_size(communicator, &group->size), "MPI_Comm_size");
    mpi.groups++;
    return group.release();
}

}  // namespace

std::string mpi_text(int code) {
    char text[MPI_MAX_ERROR_STRING + 1] = {};
    int length = 0;
    if (MPI_Error_string(code, text, &length) != MPI_SUCCESS) return "MPI error " + std::to_string(code);
    return std::string(text, static_cast<size_t>(length));
}

}  // namespace kvshift

using namespace kvshift;

kvs_group::kvs_group(MPI_Comm communicator) : communicator(communicator) {}
kvs_group::~kvs_group() = default;

extern "C" int32_t kvs_world(kvs_group** group) {
    return guarded([&] {
        require(group != nullptr, "kvs_world: group is null");
        Runtime& mpi = runtime();
        const std::lock_guard<std::mutex> lock(mpi.mutex);
        start_mpi(mpi);
        // MPICH forgets the communicator of a request that has failed, and asks one of these what to do.
        for (MPI_Comm of_mpi : {MPI_COMM_WORLD, MPI_COMM_SELF}) check(MPI_Comm_set_errhandler(of_mpi, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
        MPI_Comm communicator = MPI_COMM_NULL;
        check(MPI_Comm_dup(MPI_COMM_WORLD, &communicator), "kvs_world: MPI_Comm_dup");
        *group = adopt(communicator, mpi);
    });
}

extern "C" int32_t kvs_group_split(kvs_group* parent, int32_t color, int32_t key, kvs_group** group) {
    return guarded([&] {
        require(parent != nullptr, "kvs_group_split: parent is null");
        require(group != nullptr, "kvs_group_split: group is null");
        Runtime& mpi = runtime();
        const std::lock_guard<std::mutex> lock(mpi.mutex);
        MPI_Comm communicator = MPI_COMM_NULL;
        check(MPI_Comm_split(parent->communicator, color < 0 ? MPI_UNDEFINED : color, key, &communicator),
              "rank " + std::to_string(parent->rank) + " of " + std::to_string(parent->size) + ": split with color "
                  + std::to_string(color) + " and key " + std::to_string(key));
        *group = communicator == MPI_COMM_NULL ? nullptr : adopt(communicator, mpi);
    });
}

extern "C" int32_t kvs_group_share_memory(kvs_group* group, int32_t* shared) {
    return guarded([&] {
        require(group != nullptr, "kvs_group_share_memory: group is null");
        require(shared != nullptr, "kvs_group_share_memory: shared is null");
        if (group->shared == nullptr) group->shared = SharedMemory::open(group->communicator, group->rank, group->size);
        *shared = group->shared != nullptr ? 1 : 0;
    });
}

extern "C" int32_t kvs_shared_file(int64_t bytes, int32_t* file) {
    return guarded([&] {
        require(bytes > 0, "kvs_shared_file: bytes is not positive");
        require(file != nullptr, "kvs_shared_file: file is null");
        *file = SharedArea::make_file(bytes);
    });
}

extern "C" int32_t kvs_group_share_area(kvs_group* group, int32_t file, void* data, int64_t bytes, int32_t* shared) {
    return guarded([&] {
        require(group != nullptr, "kvs_group_share_area: group is null");
        require(file < 0 || (data != nullptr && bytes >= 8), "kvs_group_share_area: a file without memory of 8 bytes or more");
        require(shared != nullptr, "kvs_group_share_area: shared is null");
        *shared = 0;
        if (group->shared == nullptr) return;
        group->shared->use(SharedArea::open(group->communicator, group->rank, group->size, file, data, bytes));
        *shared = group->shared->area() != nullptr ? 1 : 0;
    });
}

extern "C" int32_t kvs_group_free(kvs_group* group) {
    return guarded([&] {
        require(group != nullptr, "kvs_group_free: group is null");
        const std::unique_ptr<kvs_group> owned(group);
        Runtime& mpi = runtime();
        const std::lock_guard<std::mutex> lock(mpi.mutex);
        mpi.groups--;
        if (finalized()) return;
        check(MPI_Comm_free(&group->communicator), "kvs_group_free: MPI_Comm_free");
        if (mpi.groups == 0 && mpi.started_here) check(MPI_Finalize(), "kvs_group_free: MPI_Finalize");
    });
}

extern "C" int32_t kvs_group_rank(const kvs_group* group, int32_t* rank) {
    return guarded([&] {
        require(group != nullptr, "kvs_group_rank: group is null");
        require(rank != nullptr, "kvs_group_rank: rank is null");
        *rank = group->rank;
    });
}

extern "C" int32_t kvs_group_size(const kvs_group* group, int32_t* size) {
    return guarded([&] {
        require(group != nullptr, "kvs_group_size: group is null");
        require(size != nullptr, "kvs_group_size: size is null");
        *size = group->size;
    });
}
