// Plain matrix products, left to oneDNN where the build found it.
#include <omp.h>
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <vector>

#include "kernels/arguments.h"
#include "kernels/dispatch.h"

#if defined(KVSHIFT_HAVE_DNNL)
#include <oneapi/dnnl/dnnl.hpp>
#endif

using kvshift::Arguments;
using kvshift::Error;
using kvshift::guarded;

namespace {

// Where the processor does not multiply bfloat16 itself, oneDNN's products of it are slower than those of float32, or there are none.
bool available(int32_t dtype) {
#if defined(KVSHIFT_HAVE_DNNL)
    return dtype == KVS_FLOAT32 || (dtype == KVS_BFLOAT16 && kvshift::multiplies_bfloat16());
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

struct Product {
    bool transpose_a, transpose_b;
    int64_t m, n, k;
    float alpha;
    const void* a;
    int64_t lda;
    const void* b;
    int64_t ldb;
    float beta;
    void* c;
    int64_t ldc;
};

void check(dnnl_status_t status, const char* what) {
    if (status == dnnl_success) return;
    throw Error(KVS_INTERNAL_ERROR, std::string("kvs_matmul: ") + what + " failed with status " + std::to_string(static_cast<int>(status)));
}

void multiply_float32(const Product& product, int threads) {
    const OpenMpThreads team(threads);
    const dnnl_status_t status =
        dnnl_sgemm(product.transpose_a ? 'T' : 'N', product.transpose_b ? 'T' : 'N', product.m, product.n, product.k, product.alpha,
                   static_cast<const float*>(product.a), product.lda, static_cast<const float*>(product.b), product.ldb, product.beta,
                   static_cast<float*>(product.c), product.ldc);
    check(status, "dnnl_sgemm");
}

dnnl::memory::desc layout(bool transposed, int64_t rows, int64_t columns, int64_t stride, dnnl::memory::data_type type) {
    return {{rows, columns}, type, transposed ? dnnl::memory::dims{1, stride} : dnnl::memory::dims{stride, 1}};
}

// oneDNN keeps what it generated for a shape and finds it again.
void multiply_bfloat16(const Product& product, dnnl::memory::data_type of_result) {
    constexpr auto bf16 = dnnl::memory::data_type::bf16;
    const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
    dnnl::primitive_attr attributes;
    if (product.alpha != 1) attributes.set_output_scales(0, {product.alpha});
    if (product.beta != 0) {
        dnnl::post_ops sum;
        sum.append_sum(product.beta);
        attributes.set_post_ops(sum);
    }
    const auto of_a = layout(product.transpose_a, product.m, product.k, product.lda, bf16);
    const auto of_b = layout(product.transpose_b, product.k, product.n, product.ldb, bf16);
    const auto of_c = layout(false, product.m, product.n, product.ldc, of_result);
    const dnnl::matmul matmul(dnnl::matmul::primitive_desc(dnnl::matmul::desc(of_a, of_b, of_c), attributes, engine));
    dnnl::stream stream(engine);
    matmul.execute(stream, {{DNNL_ARG_SRC, {of_a, engine, const_cast<void*>(product.a)}},
                            {DNNL_ARG_WEIGHTS, {of_b, engine, const_cast<void*>(product.b)}},
                            {DNNL_ARG_DST, {of_c, engine, product.c}}});
    stream.wait();
}

// Rows or columns begin .. begin + count - 1 of C.
Product part_of(const Product& whole, bool of_rows, int64_t begin, int64_t count, int64_t c_byte_count) {
    constexpr int64_t byte_count = 2;
    Product part = whole;
    if (of_rows) {
        part.m = count;
        part.a = static_cast<const char*>(whole.a) + begin * (whole.transpose_a ? 1 : whole.lda) * byte_count;
        part.c = static_cast<char*>(whole.c) + begin * whole.ldc * c_byte_count;
    } else {
        part.n = count;
        part.b = static_cast<const char*>(whole.b) + begin * (whole.transpose_b ? whole.ldb : 1) * byte_count;
        part.c = static_cast<char*>(whole.c) + begin * c_byte_count;
    }
    return part;
}

// A part of C for each thread. Left to itself oneDNN may give threads parts of the sums instead, so that bits depend on their number.
void multiply_bfloat16(const Product& product, bool into_float32, int threads) {
    const bool of_rows = product.m >= product.n;
    const int64_t whole = of_rows ? product.m : product.n, each = ((whole + threads - 1) / threads + 63) / 64 * 64;
    dnnl_status_t problem = dnnl_success;
#pragma omp parallel for num_threads(threads) if (each < whole)
    for (int64_t begin = 0; begin < whole; begin += each) {
        const OpenMpThreads alone(1);
        try {
            multiply_bfloat16(part_of(product, of_rows, begin, std::min(each, whole - begin), into_float32 ? 4 : 2),
                              into_float32 ? dnnl::memory::data_type::f32 : dnnl::memory::data_type::bf16);
        } catch (const dnnl::error& error) {
#pragma omp atomic write
            problem = error.status;
        }
    }
    check(problem, "a product of bfloat16");
}

void multiply(int32_t dtype, int32_t c_dtype, const Product& product) {
    const int threads = kvshift::thread_count();
    const SignalsHeld signals(threads);
    dtype == KVS_FLOAT32 ? multiply_float32(product, threads) : multiply_bfloat16(product, c_dtype == KVS_FLOAT32, threads);
}
#endif

}  // namespace

extern "C" int32_t kvs_matmul_available(int32_t dtype, int32_t* result) {
    return guarded([&] {
        Arguments("kvs_matmul_available").buffer("available", result, 1);
        *result = available(dtype) ? 1 : 0;
    });
}

extern "C" int32_t kvs_matmul(int32_t dtype, int32_t c_dtype, int32_t transpose_a, int32_t transpose_b, int64_t m, int64_t n,
                              int64_t k, double alpha, const void* a, int64_t lda, const void* b, int64_t ldb, double beta, void* c,
                              int64_t ldc) {
    return guarded([&] {
        const Arguments arguments("kvs_matmul");
        arguments.size("m", m);
        arguments.size("n", n);
        arguments.size("k", k);
        if (!available(dtype)) {
#if defined(KVSHIFT_HAVE_DNNL)
            throw Error(KVS_UNSUPPORTED, "kvs_matmul: dtype is " + std::to_string(dtype) +
                                             "; wanted KVS_FLOAT32 (0), or KVS_BFLOAT16 (2) where kvs_matmul_available says so");
#else
            throw Error(KVS_UNSUPPORTED,
                        "kvs_matmul: this build was made without oneDNN; install its headers (libdnnl-dev) and build again");
#endif
        }
        if (c_dtype != dtype && c_dtype != KVS_FLOAT32) {
            arguments.fail("c_dtype is " + std::to_string(c_dtype) + "; wanted dtype = " + std::to_string(dtype) + " or KVS_FLOAT32 (0)");
        }
        if (m == 0 || n == 0) return;
        transpose_a ? arguments.at_least("lda", lda, "m", m) : arguments.at_least("lda", lda, "k", k);
        transpose_b ? arguments.at_least("ldb", ldb, "k", k) : arguments.at_least("ldb", ldb, "n", n);
        arguments.at_least("ldc", ldc, "n", n);
        arguments.buffer("a", a, m * k);
        arguments.buffer("b", b, k * n);
        arguments.buffer("c", c, m * n);
#if defined(KVSHIFT_HAVE_DNNL)
        const Product product = {transpose_a != 0, transpose_b != 0, m, n, k, static_cast<float>(alpha), a, lda, b, ldb,
                                 static_cast<float>(beta), c, ldc};
        if (k > 0) return multiply(dtype, c_dtype, product);
        // Nothing is added to beta * C: a product with zeros, as oneDNN leaves C alone where there is nothing to multiply.
        const std::vector<float> zeros(static_cast<size_t>(std::max(m, n)));
        multiply(dtype, c_dtype, {false, false, m, n, 1, 1, zeros.data(), 1, zeros.data(), n, product.beta, c, ldc});
#else
        (void)alpha, (void)ldb, (void)lda, (void)beta;
#endif
    });
}
