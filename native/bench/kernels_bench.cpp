// Times every kernel at the shape of one layer of a small training run and sets it beside a roof measured in the same process:
// kvs_matmul of a square matrix for what multiplies, a copy of the same size for what moves memory.
//   kernels_bench [threads] [seconds per kernel]
// Bytes count each array once per direction that the definition of the kernel asks for.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include <kvshift.h>

namespace {

constexpr int64_t batch = 4, tokens = 512, heads = 8, head_size = 64, hidden = heads * head_size, ffn = 1408, vocabulary = 8192;
constexpr int64_t rows = batch * tokens;

double seconds_per_kernel = 0.5;

void check(int32_t status) {
    if (status == KVS_OK) return;
    std::fprintf(stderr, "kernels_bench: %s\n", kvs_last_error());
    std::exit(1);
}

std::vector<float> random_values(int64_t count) {
    std::mt19937 generator(static_cast<unsigned>(count));
    std::normal_distribution<float> normal;
    std::vector<float> values(static_cast<size_t>(count));
    for (float& value : values) value = normal(generator);
    return values;
}

// Seconds of the fastest call: the machine may be busy with other things, never faster than itself.
double fastest(const std::function<void()>& call) {
    using Clock = std::chrono::steady_clock;
    call();
    double best = 1e30;
    const auto start = Clock::now();
    while (std::chrono::duration<double>(Clock::now() - start).count() < seconds_per_kernel) {
        const auto before = Clock::now();
        call();
        best = std::min(best, std::chrono::duration<double>(Clock::now() - before).count());
    }
    return best;
}

struct Roofs {
    double flops;
    double bytes;
    double large_bytes;
};

void report(const std::string& name, double seconds, double flops, double bytes, const Roofs& roofs) {
    std::printf("%-26s %9.3f ms", name.c_str(), seconds * 1e3);
    if (flops > 0) std::printf("  %8.1f GFLOP/s  %3.0f%% of gemm", flops / seconds * 1e-9, 100 * flops / seconds / roofs.flops);
    if (bytes > 0) std::printf("  %8.1f GB/s     %3.0f%% of copy", bytes / seconds * 1e-9, 100 * bytes / seconds / roofs.bytes);
    std::printf("\n");
}

// Bytes read and written per second by memcpy of count floats on one thread.
double copy_rate(int64_t count) {
    const auto from = random_values(count);
    std::vector<float> to(from.size());
    const double byte_count = static_cast<double>(from.size() * sizeof(float));
    return 2 * byte_count / fastest([&] { std::memcpy(to.data(), from.data(), from.size() * sizeof(float)); });
}

Roofs measure_roofs() {
    constexpr int64_t size = 1024;
    const auto a = random_values(size * size), b = random_values(size * size);
    std::vector<float> c(size * size);
    Roofs roofs = {1, 1, 1};
    int32_t available = 0;
    check(kvs_matmul_available(KVS_FLOAT32, &available));
    if (available != 0) {
        const double seconds = fastest(
            [&] { check(kvs_matmul(KVS_FLOAT32, KVS_FLOAT32, 0, 0, size, size, size, 1, a.data(), size, b.data(), size, 0, c.data(), size)); });
        roofs.flops = 2.0 * size * size * size / seconds;
        report("roof: matmul 1024^3", seconds, 2.0 * size * size * size, 0, roofs);
    }
    roofs.bytes = copy_rate(rows * ffn);
    roofs.large_bytes = copy_rate(rows * vocabulary);
    std::printf("roof: memcpy, 1 thread      %8.1f GB/s of an activation, %.1f GB/s of the logits\n", roofs.bytes * 1e-9,
                roofs.large_bytes * 1e-9);
    return roofs;
}

// For kernels whose arrays are beyond the caches.
Roofs large(Roofs roofs) {
    roofs.bytes = roofs.large_bytes;
    return roofs;
}

// bfloat16 in memory: the upper halves.
std::vector<uint16_t> upper_halves(const std::vector<float>& values) {
    std::vector<uint16_t> halves(values.size());
    for (size_t i = 0; i < values.size(); ++i) std::memcpy(&halves[i], reinterpret_cast<const char*>(&values[i]) + 2, 2);
    return halves;
}

// The three products of a layer, of float32 or of bfloat16, whose weight gradient is float32.
template <typename Element>
void bench_matmuls(const Roofs& roofs, const char* name, int32_t dtype, const std::vector<Element>& x, const std::vector<Element>& w,
                   const std::vector<Element>& dy) {
    int32_t available = 0;
    check(kvs_matmul_available(dtype, &available));
    if (available == 0) return;
    std::vector<Element> y(rows * ffn), dx(rows * hidden);
    std::vector<float> dw(hidden * ffn);
    const double flops = 2.0 * rows * hidden * ffn;
    const auto time = [&](const char* product, int32_t c_dtype, bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, const void* a,
                          const void* b, double beta, void* c) {
        const double seconds = fastest([&] {
            check(kvs_matmul(dtype, c_dtype, transpose_a, transpose_b, m, n, k, 1, a, transpose_a ? m : k, b, transpose_b ? k : n, beta, c, n));
        });
        report(std::string(name) + product, seconds, flops, 0, roofs);
    };
    time(" x w^T", dtype, false, true, rows, ffn, hidden, x.data(), w.data(), 0, y.data());
    time(" dy w", dtype, false, false, rows, hidden, ffn, dy.data(), w.data(), 0, dx.data());
    time(" dw += dy^T x", KVS_FLOAT32, true, false, ffn, hidden, rows, dy.data(), x.data(), 1, dw.data());
}

void bench_matmuls(const Roofs& roofs) {
    const auto x = random_values(rows * hidden), w = random_values(hidden * ffn), dy = random_values(rows * ffn);
    bench_matmuls(roofs, "matmul", KVS_FLOAT32, x, w, dy);
    bench_matmuls(roofs, "bf16 matmul", KVS_BFLOAT16, upper_halves(x), upper_halves(w), upper_halves(dy));
}

void bench_attention(const Roofs& roofs, int64_t row_tokens, int64_t row_count, int64_t window = 0) {
    const int64_t count = row_count * row_tokens * hidden;
    const auto q = random_values(count), k = random_values(count + 1), v = random_values(count + 2),
               dout = random_values(count + 3);
    std::vector<float> out(count), dq(count), dk(count), dv(count), log_sum_exp(row_count * heads * row_tokens);
    std::vector<int32_t> positions(row_count * row_tokens);
    for (int64_t token = 0; token < row_count * row_tokens; ++token) positions[token] = static_cast<int32_t>(token % row_tokens);
    // Two products forward and five backward over the scores that are visible: a triangle, or with a window a band that begins as one.
    const int64_t band = window == 0 ? row_tokens : window;
    const double visible = 0.5 * band * (band + 1) + static_cast<double>(row_tokens - band) * band;
    const double product = 2.0 * head_size * static_cast<double>(row_count * heads) * visible;
    const std::string suffix = " T=" + std::to_string(row_tokens) + (window == 0 ? "" : " window=" + std::to_string(window));
    report("attention_forward" + suffix, fastest([&] {
               check(kvs_attention_forward(KVS_FLOAT32, row_count, row_tokens, 0, row_tokens, heads, heads, head_size, q.data(), k.data(),
                                           v.data(), positions.data(), window, 0.125, out.data(), log_sum_exp.data()));
           }),
           2 * product, 0, roofs);
    report("attention_backward" + suffix, fastest([&] {
               check(kvs_attention_backward(KVS_FLOAT32, row_count, row_tokens, 0, row_tokens, heads, heads, head_size, q.data(), k.data(),
                                            v.data(), positions.data(), window, 0.125, out.data(), log_sum_exp.data(),
                                            dout.data(), dq.data(), dk.data(), dv.data()));
           }),
           5 * product, 0, roofs);
}

void bench_norm(const Roofs& roofs) {
    const auto x = random_values(rows * hidden), residual = random_values(rows * hidden), weight = random_values(hidden);
    std::vector<float> sum(rows * hidden), y(rows * hidden), inverse_rms(rows), dx(rows * hidden), dweight(hidden);
    const double array = 4.0 * rows * hidden;
    report("rms_norm_forward", fastest([&] {
               check(kvs_rms_norm_forward(KVS_FLOAT32, rows, hidden, x.data(), residual.data(), weight.data(), 1e-5, sum.data(),
                                          y.data(), inverse_rms.data()));
           }),
           0, 4 * array, roofs);
    report("rms_norm_backward", fastest([&] {
               check(kvs_rms_norm_backward(KVS_FLOAT32, rows, hidden, sum.data(), weight.data(), inverse_rms.data(), y.data(),
                                           residual.data(), dx.data(), dweight.data()));
           }),
           0, 4 * array, roofs);
}

void bench_shift_rope(const Roofs& roofs, int64_t taps) {
    const auto x = random_values(rows * hidden), dy = random_values(rows * hidden), table = random_values(tokens * head_size / 2),
               shift = random_values(heads * taps);
    std::vector<float> y(rows * hidden), dx(rows * hidden), dshift(heads * taps);
    std::vector<int32_t> positions(rows);
    for (int64_t row = 0; row < rows; ++row) positions[row] = static_cast<int32_t>(row % tokens);
    const double array = 4.0 * rows * hidden;
    const std::string suffix = " W=" + std::to_string(taps);
    report("shift_rope_forward" + suffix, fastest([&] {
               check(kvs_shift_rope_forward(KVS_FLOAT32, batch, tokens, heads, head_size, x.data(), hidden, shift.data(),
                                            taps, positions.data(), table.data(), table.data(), y.data()));
           }),
           0, 2 * array, roofs);
    report("shift_rope_backward" + suffix, fastest([&] {
               check(kvs_shift_rope_backward(KVS_FLOAT32, batch, tokens, heads, head_size, x.data(), hidden, shift.data(),
                                             taps, positions.data(), table.data(), table.data(), dy.data(), dx.data(), hidden,
                                             dshift.data()));
           }),
           0, 3 * array, roofs);
}

void bench_swiglu(const Roofs& roofs) {
    const int64_t count = rows * ffn;
    const auto gate = random_values(count), up = random_values(count + 1), dy = random_values(count + 2);
    std::vector<float> y(count), dgate(count), dup(count);
    report("swiglu_forward", fastest([&] { check(kvs_swiglu_forward(KVS_FLOAT32, count, gate.data(), up.data(), y.data())); }), 0,
           12.0 * count, roofs);
    report("swiglu_backward", fastest([&] {
               check(kvs_swiglu_backward(KVS_FLOAT32, count, gate.data(), up.data(), dy.data(), dgate.data(), dup.data()));
           }),
           0, 20.0 * count, roofs);
}

void bench_loss(const Roofs& roofs) {
    const auto logits = random_values(rows * vocabulary);
    auto scratch = logits;
    std::vector<int32_t> targets(rows);
    for (int64_t row = 0; row < rows; ++row) targets[row] = static_cast<int32_t>(row * 3 % vocabulary);
    double loss = 0;
    int64_t valid = 0;
    const auto run = [&](int32_t write) {
        check(kvs_cross_entropy(KVS_FLOAT32, rows, vocabulary, scratch.data(), targets.data(), -1, write, 1.0, &loss, &valid));
    };
    const double array = 4.0 * rows * vocabulary;
    report("cross_entropy (loss)", fastest([&] { run(0); }), 0, array, roofs);
    report("cross_entropy (gradient)", fastest([&] { run(1); }), 0, 2 * array, roofs);

    std::vector<float> dweight(vocabulary * hidden);
    const auto dy = random_values(rows * hidden);
    report("embedding_backward", fastest([&] {
               check(kvs_embedding_backward(KVS_FLOAT32, rows, hidden, vocabulary, targets.data(), dy.data(), dweight.data()));
           }),
           0, 12.0 * rows * hidden, roofs);
}

void bench_optimizer(const Roofs& roofs) {
    const int64_t count = 30'000'000;
    auto parameter = random_values(count);
    std::vector<float> gradient = parameter, m(count), v(count);
    double sum = 0;
    report("adamw", fastest([&] {
               check(kvs_adamw(KVS_FLOAT32, count, parameter.data(), gradient.data(), m.data(), v.data(), 1e-3, 0.9, 0.95, 1e-8,
                               0.1, 10, 1.0));
           }),
           0, 28.0 * count, roofs);
    report("sum_of_squares", fastest([&] { check(kvs_sum_of_squares(KVS_FLOAT32, count, gradient.data(), &sum)); }), 0, 4.0 * count,
           roofs);
}

}  // namespace

int main(int argument_count, char** arguments) {
    const int threads = argument_count > 1 ? std::atoi(arguments[1]) : 1;
    if (argument_count > 2) seconds_per_kernel = std::atof(arguments[2]);
    check(kvs_set_threads(threads));
    std::printf("isa %s, %d thread(s); batch %d, tokens %d, hidden %d, ffn %d, vocabulary %d, float32\n", kvs_kernel_isa(), threads,
                static_cast<int>(batch), static_cast<int>(tokens), static_cast<int>(hidden), static_cast<int>(ffn),
                static_cast<int>(vocabulary));
    const Roofs roofs = measure_roofs();
    bench_matmuls(roofs);
    bench_attention(roofs, tokens, batch);
    bench_attention(roofs, 4096, 1);
    bench_attention(roofs, 4096, 1, 512);
    bench_norm(roofs);
    for (const int64_t taps : {2, 3, 4}) bench_shift_rope(roofs, taps);
    bench_swiglu(roofs);
    bench_loss(large(roofs));
    bench_optimizer(large(roofs));
    return 0;
}
