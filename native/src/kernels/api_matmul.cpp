// Plain matrix products, left to oneDNN where the build found it.
#include <omp.h>

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

void multiply(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, float alpha, const float* a, int64_t lda,
              const float* b, int64_t ldb, float beta, float* c, int64_t ldc) {
    const OpenMpThreads threads(kvshift::thread_count());
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
