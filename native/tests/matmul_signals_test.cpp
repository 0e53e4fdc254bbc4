// A matrix product gives the same bits while signals rain on its thread, whose handler uses the thread's own stack. Without the care
// that kvs_matmul takes, oneDNN 2.6 loses pointers that it keeps below the stack pointer, and this program crashes.
#include <signal.h>
#include <sys/time.h>

#include <cstdio>
#include <cstring>
#include <vector>

#include <kvshift.h>

namespace {

volatile sig_atomic_t signals = 0;

void overwrite_stack(int) {
    volatile unsigned char below[4096];
    for (auto& byte : below) byte = 0xA5;
    signals = signals + 1;
}

// A shape whose product oneDNN 2.6.3 does not survive a signal in: 9 of the 13 products of a small model are such.
constexpr int64_t rows = 1024;
constexpr int64_t columns = 256;
constexpr int64_t depth = 256;

bool multiply(int32_t dtype, const void* a, const void* b, std::vector<float>& c) {
    if (kvs_matmul(dtype, KVS_FLOAT32, 0, 0, rows, columns, depth, 1, a, depth, b, columns, 0, c.data(), columns) == KVS_OK) return true;
    std::fprintf(stderr, "FAILED: %s\n", kvs_last_error());
    return false;
}

// a and b are of dtype.
bool same_bits(int32_t dtype, const void* a, const void* b) {
    int32_t available = 0;
    if (kvs_matmul_available(dtype, &available) != KVS_OK) return false;
    if (available == 0) {
        std::printf("no product of type %d here; nothing to try\n", dtype);
        return true;
    }
    std::vector<float> quiet(rows * columns), disturbed(rows * columns);
    if (!multiply(dtype, a, b, quiet)) return false;

    signals = 0;
    itimerval every = {{0, 100}, {0, 100}};
    setitimer(ITIMER_REAL, &every, nullptr);
    for (int round = 0; round < 3000; round++) {
        if (!multiply(dtype, a, b, disturbed)) return false;
        if (std::memcmp(quiet.data(), disturbed.data(), quiet.size() * sizeof(float)) != 0) {
            std::fprintf(stderr, "FAILED: round %d of type %d differs after %d signals\n", round, dtype, static_cast<int>(signals));
            return false;
        }
    }
    every = {};
    setitimer(ITIMER_REAL, &every, nullptr);
    std::printf("3000 products of type %d, %d signals\n", dtype, static_cast<int>(signals));
    if (signals >= 100) return true;
    std::fprintf(stderr, "FAILED: too few signals arrived\n");
    return false;
}

}  // namespace

int main() {
    kvs_set_threads(1);
    struct sigaction action = {};
    action.sa_handler = overwrite_stack;
    action.sa_flags = SA_RESTART;
    sigaction(SIGALRM, &action, nullptr);

    std::vector<float> a(rows * depth), b(depth * columns);
    for (size_t i = 0; i < a.size(); i++) a[i] = static_cast<float>(i % 17) - 8;
    for (size_t i = 0; i < b.size(); i++) b[i] = static_cast<float>(i % 13) - 6;
    // Whole numbers this small are the same in bfloat16, the upper half of a float.
    const auto narrow = [](const std::vector<float>& values) {
        std::vector<uint16_t> upper(values.size());
        for (size_t i = 0; i < values.size(); i++) std::memcpy(&upper[i], reinterpret_cast<const char*>(&values[i]) + 2, 2);
        return upper;
    };
    return same_bits(KVS_FLOAT32, a.data(), b.data()) && same_bits(KVS_BFLOAT16, narrow(a).data(), narrow(b).data()) ? 0 : 1;
}
