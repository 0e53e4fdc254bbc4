#include "work.h"

#include <chrono>
#include <thread>

#include "bfloat16.h"
#include "status.h"

namespace kvshift {
namespace {

// What MPI has to say of a request that has ended.
void check(kvs_work& work, size_t request, int code, const MPI_Status& status) {
    try {
        if (work.received.empty()) return work.call.check(code);
        work.call.check_received(code, status, work.received[request]);
    } catch (...) {
        work.failed = true;
        throw;
    }
}

bool test(kvs_work& work) {
    for (size_t i = 0; i < work.requests.size(); i++) {
        if (work.requests[i] == MPI_REQUEST_NULL) continue;
        MPI_Status status;
        int done = 1;
        const int code = MPI_Test(&work.requests[i], &done, &status);
        if (code == MPI_SUCCESS && !done) return false;
        check(work, i, code, status);
    }
    return true;
}

void wait(kvs_work& work) {
    for (size_t i = 0; i < work.requests.size(); i++) {
        if (work.requests[i] == MPI_REQUEST_NULL) continue;
        MPI_Status status;
        const int code = MPI_Wait(&work.requests[i], &status);
        check(work, i, code, status);
    }
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
            // Those of a message would write into memory that the caller may free, and take messages that come later.
            for (MPI_Request& request : owned->requests) {
                if (owned->received.empty() || request == MPI_REQUEST_NULL) continue;
                MPI_Cancel(&request);
                MPI_Wait(&request, MPI_STATUS_IGNORE);
            }
            throw;
        }
    });
}
