#include "work.h"

#include <chrono>
#include <thread>

#include "bfloat16.h"
#include "status.h"

namespace kvshift {
namespace {

void check(kvs_work& work, int code) {
    if (code == MPI_SUCCESS) return;
    work.failed = true;
    work.call.check(code);
}

bool test(kvs_work& work) {
    for (MPI_Request& request : work.requests) {
        int done = 1;
        if (request != MPI_REQUEST_NULL) check(work, MPI_Test(&request, &done, MPI_STATUS_IGNORE));
        if (!done) return false;
    }
    return true;
}

void wait(kvs_work& work) {
    for (MPI_Request& request : work.requests) check(work, MPI_Wait(&request, MPI_STATUS_IGNORE));
    if (work.rounded != nullptr) narrow(work.reduced, work.rounded, work.call.count);
}

}  // namespace
}  // namespace kvshift

using namespace kvshift;

extern "C" int32_t kvs_test(kvs_work* work, int32_t* done) {
    return guarded([&] {
        require(work != nullptr, "kvs_test: work is null");
        require(done != nullptr, "kvs_test: done is null");
        *done = test(*work) ? 1 : 0;
    });
}

extern "C" int32_t kvs_test_for(kvs_work* work, int64_t microseconds, int32_t* done) {
    return guarded([&] {
        require(work != nullptr, "kvs_test_for: work is null");
        require(done != nullptr, "kvs_test_for: done is null");
        const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(microseconds);
        while (!test(*work)) {
            if (std::chrono::steady_clock::now() >= end) {
                *done = 0;
                return;
            }
            std::this_thread::sleep_for(std::chrono::microseconds(50));
        }
        *done = 1;
    });
}

extern "C" int32_t kvs_wait(kvs_work* work) {
    return guarded([&] {
        require(work != nullptr, "kvs_wait: work is null");
        std::unique_ptr<kvs_work> owned(work);
        try {
            if (work->failed) throw Error(KVS_MPI_ERROR, "kvs_wait: the operation failed in kvs_test");
            wait(*work);
        } catch (...) {
            // Other pieces of it may still be under way and write into the staging buffer, so that stays.
            owned->staging.release();
            throw;
        }
    });
}
