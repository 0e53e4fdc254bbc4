#include "kernels/dispatch.h"

#include <atomic>
#include <cstdlib>
#include <string>

#include <omp.h>

#include "status.h"

namespace kvshift {

#if defined(KVSHIFT_HAVE_X86_ISAS)
namespace avx512 {
const IsaKernels& isa_kernels();
}
namespace avx2 {
const IsaKernels& isa_kernels();
}
#endif
namespace baseline {
const IsaKernels& isa_kernels();
}

namespace {

bool runs_avx512() {
#if defined(KVSHIFT_HAVE_X86_ISAS)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma");
#else
    return false;
#endif
}

bool runs_avx2() {
#if defined(KVSHIFT_HAVE_X86_ISAS)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
    return false;
#endif
}

struct Choice {
    const IsaKernels* kernels = nullptr;
    std::string problem;
};

const IsaKernels& best_kernels() {
#if defined(KVSHIFT_HAVE_X86_ISAS)
    if (runs_avx512()) return avx512::isa_kernels();
    if (runs_avx2()) return avx2::isa_kernels();
#endif
    return baseline::isa_kernels();
}

Choice choose() {
    Choice choice;
    choice.kernels = &best_kernels();
    const char* wanted = std::getenv("KVSHIFT_ISA");
    if (wanted == nullptr || *wanted == '\0') return choice;

    const std::string name = wanted;
    if (name == "baseline") {
        choice.kernels = &baseline::isa_kernels();
#if defined(KVSHIFT_HAVE_X86_ISAS)
    } else if (name == "avx2" && runs_avx2()) {
        choice.kernels = &avx2::isa_kernels();
    } else if (name == "avx512" && runs_avx512()) {
        choice.kernels = &avx512::isa_kernels();
#endif
    } else if (name == "avx2" || name == "avx512") {
        choice.problem =
            "KVSHIFT_ISA=" + name + ", which this processor does not have; unset it or set it to " + choice.kernels->name;
    } else {
        choice.problem = "KVSHIFT_ISA=" + name + "; wanted avx512, avx2 or baseline, or leave it unset";
    }
    return choice;
}

const Choice& choice() {
    static const Choice chosen = choose();
    return chosen;
}

std::atomic<int> threads_wanted{0};

}  // namespace

const IsaKernels& kernels() {
    if (!choice().problem.empty()) throw Error(KVS_UNSUPPORTED, choice().problem);
    return *choice().kernels;
}

bool multiplies_bfloat16() {
#if defined(KVSHIFT_HAVE_X86_ISAS)
    return &kernels() == &avx512::isa_kernels() && __builtin_cpu_supports("avx512bf16");
#else
    return false;
#endif
}

int thread_count() {
    const int wanted = threads_wanted.load(std::memory_order_relaxed);
    return wanted > 0 ? wanted : omp_get_max_threads();
}

}  // namespace kvshift

extern "C" int32_t kvs_set_threads(int32_t threads) {
    return kvshift::guarded([&] {
        if (threads < 1)
            kvshift::require(false, ("kvs_set_threads: threads is " + std::to_string(threads) + "; wanted 1 or more").c_str());
        kvshift::threads_wanted.store(threads, std::memory_order_relaxed);
    });
}

extern "C" const char* kvs_kernel_isa(void) { return kvshift::choice().kernels->name; }
