// Threads, devices and random number generators.
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <dlfcn.h>

#include "guard.h"

using namespace tsharp;

TS_API const char* ts_torch_version() { return TORCH_VERSION; }

TS_API int32_t ts_set_num_threads(int32_t threads) {
    return guarded([&] { at::set_num_threads(threads); });
}

TS_API int32_t ts_get_num_threads() { return at::get_num_threads(); }

// libtorch_cuda registers its kernels when it is opened; nothing references it by symbol, so it is opened by name.
TS_API int32_t ts_cuda_is_available() {
    static void* const cuda = dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL);
    return cuda != nullptr && at::hasCUDA() && at::globalContext().hasCUDA() ? 1 : 0;
}

TS_API int32_t ts_cuda_device_count(int32_t* count) {
    return guarded([&] {
        *count = ts_cuda_is_available() != 0 ? static_cast<int32_t>(at::detail::getCUDAHooks().getNumGPUs()) : 0;
    });
}

TS_API int32_t ts_manual_seed(int64_t seed) {
    return guarded([&] {
        auto generator = at::globalContext().defaultGenerator(at::kCPU);
        std::lock_guard<std::mutex> lock(generator.mutex());
        generator.set_current_seed(static_cast<uint64_t>(seed));
    });
}

TS_API int32_t ts_generator_new(uint64_t seed, at::Generator** result) {
    return guarded([&] { *result = new at::Generator(at::detail::createCPUGenerator(seed)); });
}

TS_API void ts_generator_delete(at::Generator* generator) { delete generator; }

TS_API int32_t ts_generator_manual_seed(at::Generator* generator, int64_t seed) {
    return guarded([&] { generator->set_current_seed(static_cast<uint64_t>(seed)); });
}
