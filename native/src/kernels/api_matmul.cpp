// Plain matrix products, left to oneDNN where the build found it.
#include <omp.h>
#include <pthread.h>
#include <signal.h>

#include "kernels/arguments.h"
#include "kernels/dispatch.h"

#if defined(KVSHIFT_HAVE_DNNL)
#include <oneapi/dnnl/dnnl.h>
#endif

using kvshift::Arguments;
using kvshift::Error;
using kvshift::guarded;

namespace {

bool available(int32_t dtype) {
#if defined(KVSHIFT_HAVE_DNNL)
    return dtype == KVS_FLOAT32;
#else
    (void)dtype;
    return false;
#endif
}

#if defined(KVSHIFT_HAVE_DNNL)
// oneDNN takes its threads from the calling thread's OpenMP setting, which other libraries in the process share.
class OpenMpThreads {
public:
    explicit OpenMpThreads(int threads) : before_(omp_get_max_threads()) { omp_set_num_threads(threads); }
    ~OpenMpThreads() { omp_set_num_threads(before_); }
    OpenMpThreads(const OpenMpThreads&) = delete;
    OpenMpThreads& operator=(const OpenMpThreads&) = delete;

private:
    const int before_;
};

// The products that oneDNN 2.6 generates keep data below the stack pointer, beyond the 128 bytes that the ABI spares: a signal handler
// that runs on the thread's own stack (as .NET's do) overwrites it, and the product then writes anywhere. So no signal that another
// process or thread may send is taken by a thread while it multiplies; it is taken right after. Faults of the thread itself are not held.
class SignalsHeld {
public:
    explicit SignalsHeld(int threads) {
        sigset_t held;
        sigfillset(&held);
        for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT}) sigdelset(&held, fault);
        pthread_sigmask(SIG_BLOCK, &held, &before_);
        if (threads > 1) {
            // The other threads of the team do nothing but compute; they hold signals for good.
#pragma omp parallel num_threads(threads)
            if (omp_get_thread_num() != 0) pthread_sigmask(SIG_BLOCK, &held, nullptr);
        }
    }
    ~SignalsHeld() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    SignalsHeld(const SignalsHeld&) = delete;
    SignalsHeld& operator=(const SignalsHeld&) = delete;

private:
    sigset_t before_;
};

void multiply(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, float alpha, const float* a, int64_t lda,
              const float* b, int64_t ldb, float beta, float* c, int64_t ldc) {
    const OpenMpThreads threads(kvshift::thread_count());
    const SignalsHeld signals(kvshift::thread_count());
    const dnnl_status_t status =
        dnnl_sgemm(transpose_a ? 'T' : 'N', transpose_b ? 'T' : 'N', m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
    if (status != dnnl_success) {
        throw Error(KVS_INTERNAL_ERROR, "kvs_matmul: dnnl_sgemm failed with status " + std::to_string(static_cast<int>(status)));
    }
}
#endif

}  // namespace

extern "C" int32_t kvs_matmul_available(int32_t dtype, int32_t* result) {
    return guarded([&] {
        Arguments("kvs_matmul_available").buffer("available", result, 1);
        *result = available(dtype) ? 1 : 0;
    });
}

extern "C" int32_t kvs_matmul(int32_t dtype, int32_t transpose_a, int32_t transpose_b, int64_t m, int64_t n, int64_t k,
                              double alpha, const void* a, int64_t lda, const void* b, int64_t ldb, double beta, void* c,
                              int64_t ldc) {
    return guarded([&] {
        const Arguments arguments("kvs_matmul");
        arguments.size("m", m);
        arguments.size("n", n);
        arguments.size("k", k);
        if (!available(dtype)) {
#if defined(KVSHIFT_HAVE_DNNL)
            throw Error(KVS_UNSUPPORTED,
                        "kvs_matmul: dtype is " + std::to_string(dtype) + "; this build multiplies KVS_FLOAT32 (0) only");
#else
            throw Error(KVS_UNSUPPORTED,
                        "kvs_matmul: this build was made without oneDNN; install its headers (libdnnl-dev) and build again");
#endif
        }
        if (m == 0 || n == 0) return;
        transpose_a ? arguments.at_least("lda", lda, "m", m) : arguments.at_least("lda", lda, "k", k);
        transpose_b ? arguments.at_least("ldb", ldb, "k", k) : arguments.at_least("ldb", ldb, "n", n);
        arguments.at_least("ldc", ldc, "n", n);
        arguments.buffer("a", a, m * k);
        arguments.buffer("b", b, k * n);
        arguments.buffer("c", c, m * n);
        if (k == 0) {
            auto* rows = static_cast<float*>(c);
            for (int64_t row = 0; row < m; ++row) {
                for (int64_t column = 0; column < n; ++column) {
                    float& element = rows[row * ldc + column];
                    element = beta == 0 ? 0.0f : element * static_cast<float>(beta);
                }
            }
            return;
        }
#if defined(KVSHIFT_HAVE_DNNL)
        multiply(transpose_a != 0, transpose_b != 0, m, n, k, static_cast<float>(alpha), static_cast<const float*>(a), lda,
                 static_cast<const float*>(b), ldb, static_cast<float>(beta), static_cast<float*>(c), ldc);
#else
        (void)alpha, (void)ldb, (void)lda;
#endif
    });
}
