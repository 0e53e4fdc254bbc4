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

bool multiply(const std::vector<float>& a, const std::vector<float>& b, std::vector<float>& c) {
    if (kvs_matmul(KVS_FLOAT32, 0, 0, rows, columns, depth, 1, a.data(), depth, b.data(), columns, 0, c.data(), columns) == KVS_OK) return true;
    std::fprintf(stderr, "FAILED: %s\n", kvs_last_error());
    return false;
}

}  // namespace

int main() {
    int32_t available = 0;
    if (kvs_matmul_available(KVS_FLOAT32, &available) != KVS_OK) return 1;
    if (available == 0) {
        std::puts("this build has no oneDNN; nothing to try");
        return 0;
    }
    kvs_set_threads(1);
    std::vector<float> a(rows * depth), b(depth * columns), quiet(rows * columns), disturbed(rows * columns);
    for (size_t i = 0; i < a.size(); i++) a[i] = static_cast<float>(i % 17) - 8;
    for (size_t i = 0; i < b.size(); i++) b[i] = static_cast<float>(i % 13) - 6;
    if (!multiply(a, b, quiet)) return 1;

    struct sigaction action = {};
    action.sa_handler = overwrite_stack;
    action.sa_flags = SA_RESTART;
    sigaction(SIGALRM, &action, nullptr);
    itimerval every = {{0, 100}, {0, 100}};
    setitimer(ITIMER_REAL, &every, nullptr);
    for (int round = 0; round < 3000; round++) {
        if (!multiply(a, b, disturbed)) return 1;
        if (std::memcmp(quiet.data(), disturbed.data(), quiet.size() * sizeof(float)) != 0) {
            std::fprintf(stderr, "FAILED: round %d differs after %d signals\n", round, static_cast<int>(signals));
            return 1;
        }
    }
    every = {};
    setitimer(ITIMER_REAL, &every, nullptr);
    if (signals < 100) {
        std::fprintf(stderr, "FAILED: only %d signals arrived\n", static_cast<int>(signals));
        return 1;
    }
    std::printf("3000 products, %d signals\n", static_cast<int>(signals));
    return 0;
}
