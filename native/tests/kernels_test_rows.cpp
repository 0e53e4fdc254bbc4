// Kernels that work on rows and flat arrays: norm, SwiGLU, cross entropy, embedding, optimizer.
#include "kernels_test.h"

namespace kernels_test {
namespace {

// Sums of n terms of order 1 err by about sqrt(n) epsilon in a tree of vector lanes; 16 units cover rows of up to a few hundred
// elements, with the few roundings of the formula around them.
template <typename T>
constexpr double row_tolerance = stored<T>(16);

template <typename T>
struct NormResult {
    std::vector<T> sum, y;
    std::vector<Wide<T>> inverse_rms;
    std::vector<T> dx;
    std::vector<Wide<T>> dweight;
};

template <typename T>
struct NormCase {
    int64_t rows, columns;
    std::vector<T> x, residual, weight, dy, dsum;
    bool with_residual, with_dsum;

    NormCase(int64_t rows, int64_t columns, bool with_residual, bool with_dsum)
        : rows(rows),
          columns(columns),
          x(random_values<T>(rows * columns, 1)),
          residual(random_values<T>(rows * columns, 2)),
          weight(random_values<T>(columns, 3)),
          dy(random_values<T>(rows * columns, 4)),
          dsum(random_values<T>(rows * columns, 5)),
          with_residual(with_residual),
          with_dsum(with_dsum) {}

    static constexpr double epsilon_added = 1e-5;

    NormResult<T> run(Checks& checks) const {
        const size_t count = x.size();
        NormResult<T> result = {std::vector<T>(with_residual ? count : 0), std::vector<T>(count),
                                std::vector<Wide<T>>(static_cast<size_t>(rows)), std::vector<T>(count),
                                std::vector<Wide<T>>(weight.size(), Wide<T>(99))};
        checks.succeeds(kvs_rms_norm_forward(dtype<T>, rows, columns, x.data(), with_residual ? residual.data() : nullptr,
                                             weight.data(), epsilon_added, with_residual ? result.sum.data() : nullptr,
                                             result.y.data(), result.inverse_rms.data()),
                        "rms_norm_forward");
        checks.succeeds(kvs_rms_norm_backward(dtype<T>, rows, columns, with_residual ? result.sum.data() : x.data(), weight.data(),
                                              result.inverse_rms.data(), dy.data(), with_dsum ? dsum.data() : nullptr,
                                              result.dx.data(), result.dweight.data()),
                        "rms_norm_backward");
        return result;
    }

    NormResult<double> reference() const {
        NormResult<double> result = {{},
                                     std::vector<double>(x.size()),
                                     std::vector<double>(static_cast<size_t>(rows)),
                                     std::vector<double>(x.size()),
                                     std::vector<double>(weight.size())};
        std::vector<double> input(x.size());
        // The kernel's sum is rounded to T before it is normalised.
        for (size_t i = 0; i < x.size(); ++i) input[i] = with_residual ? static_cast<T>(x[i] + residual[i]) : x[i];
        if (with_residual) result.sum = input;
        for (int64_t row = 0; row < rows; ++row) {
            const double* in = input.data() + row * columns;
            const T* gradient = dy.data() + row * columns;
            double squares = 0, towards_x = 0;
            for (int64_t c = 0; c < columns; ++c) squares += in[c] * in[c];
            const double inverse = 1 / std::sqrt(squares / static_cast<double>(columns) + epsilon_added);
            result.inverse_rms[row] = inverse;
            for (int64_t c = 0; c < columns; ++c) towards_x += static_cast<double>(gradient[c]) * weight[c] * in[c];
            for (int64_t c = 0; c < columns; ++c) {
                const size_t at = static_cast<size_t>(row * columns + c);
                result.y[at] = in[c] * inverse * weight[c];
                result.dx[at] = inverse * (static_cast<double>(gradient[c]) * weight[c] -
                                           in[c] * inverse * inverse * towards_x / static_cast<double>(columns)) +
                                (with_dsum ? static_cast<double>(dsum[at]) : 0);
                result.dweight[c] += gradient[c] * in[c] * inverse;
            }
        }
        return result;
    }
};

template <typename T>
void compare_norms(Checks& checks) {
    constexpr int64_t shapes[][2] = {{1, 1}, {3, 6}, {5, 24}, {2, 64}, {7, 80}, {33, 129}, {70, 512}, {0, 8}};
    for (const auto& shape : shapes) {
        for (const bool with_residual : {false, true}) {
            const NormCase<T> input(shape[0], shape[1], with_residual, !with_residual);
            const auto actual = input.run(checks);
            const auto expected = input.reference();
            const std::string name = "rms_norm " + std::to_string(shape[0]) + " x " + std::to_string(shape[1]);
            // The sum is one correctly rounded addition, so it is exact here; in bfloat16 one rounded twice, which moves a tie to its neighbour.
            checks.close(name + " sum", actual.sum, expected.sum, 0);
            checks.close(name + " y", actual.y, expected.y, row_tolerance<T>);
            checks.close(name + " inverse_rms", actual.inverse_rms, expected.inverse_rms, row_tolerance<Wide<T>>);
            checks.close(name + " dx", actual.dx, expected.dx, row_tolerance<T>);
            // A random walk of rows terms: it strays to sqrt(rows), and as many roundings of that size walk again.
            checks.close(name + " dweight", actual.dweight, expected.dweight,
                         row_tolerance<Wide<T>> + static_cast<double>(shape[0]) * epsilon<Wide<T>>);
        }
    }
    const NormCase<T> large(300, 200, true, true);
    kvs_set_threads(1);
    const auto alone = large.run(checks);
    kvs_set_threads(2);
    const auto pair = large.run(checks);
    kvs_set_threads(1);
    checks.same_bits("rms_norm y", alone.y, pair.y);
    checks.same_bits("rms_norm dx", alone.dx, pair.dx);
    checks.same_bits("rms_norm dweight", alone.dweight, pair.dweight);
}

void differentiate_norm(Checks& checks) {
    NormCase<double> input(3, 7, true, false);
    const auto loss = [&] { return dot(input.run(checks).y, input.dy); };
    const auto gradient = input.run(checks);
    const auto of_x = finite_differences(input.x, loss), of_residual = finite_differences(input.residual, loss),
               of_weight = finite_differences(input.weight, loss);
    checks.close("rms_norm d/dx", gradient.dx, of_x, finite_difference_tolerance);
    checks.close("rms_norm d/dresidual", gradient.dx, of_residual, finite_difference_tolerance);
    checks.close("rms_norm d/dweight", gradient.dweight, of_weight, finite_difference_tolerance);
}

template <typename T>
void compare_swiglu(Checks& checks) {
    for (const int64_t count : {0, 1, 5, 16, 37, 20011}) {
        auto gate = random_values<T>(count, 1, 3);
        const auto up = random_values<T>(count, 2), dy = random_values<T>(count, 3);
        if (count > 20) gate[3] = 60, gate[7] = -60, gate[11] = 0;
        std::vector<T> y(gate.size()), dgate(gate.size()), dup(gate.size());
        std::vector<double> want_y, want_dgate, want_dup;
        for (size_t i = 0; i < gate.size(); ++i) {
            const double g = gate[i], opened = 1 / (1 + std::exp(-g));
            want_y.push_back(g * opened * up[i]);
            want_dgate.push_back(static_cast<double>(dy[i]) * up[i] * opened * (1 + g * (1 - opened)));
            want_dup.push_back(dy[i] * g * opened);
        }
        std::vector<T> first_y;
        for (const int threads : {1, 2}) {
            kvs_set_threads(threads);
            checks.succeeds(kvs_swiglu_forward(dtype<T>, count, gate.data(), up.data(), y.data()), "swiglu_forward");
            checks.succeeds(kvs_swiglu_backward(dtype<T>, count, gate.data(), up.data(), dy.data(), dgate.data(), dup.data()),
                            "swiglu_backward");
            if (threads == 1) first_y = y;
        }
        kvs_set_threads(1);
        checks.same_bits("swiglu y", first_y, y);
        // exp to 2 units, a sum, a quotient and three products; close() is absolute below 1, and 1 + g (1 - s) may cancel there.
        checks.close("swiglu y", y, want_y, stored<T>(8));
        checks.close("swiglu dgate", dgate, want_dgate, stored<T>(32));
        checks.close("swiglu dup", dup, want_dup, stored<T>(8));
    }
    const T infinity = std::numeric_limits<double>::infinity();
    const std::vector<T> gate = {infinity, T(-1e4), T(std::numeric_limits<double>::quiet_NaN())}, up = {T(1), T(1), T(1)};
    std::vector<T> y(3);
    checks.succeeds(kvs_swiglu_forward(dtype<T>, 3, gate.data(), up.data(), y.data()), "swiglu_forward");
    checks.that(y[0] == infinity, "swiglu of infinity is infinity");
    checks.that(y[1] == 0, "swiglu of a very negative gate is 0");
    checks.that(std::isnan(y[2]), "swiglu of NaN is NaN");
}

template <typename T>
void compare_embedding(Checks& checks) {
    constexpr int64_t rows = 200, columns = 133, vocabulary = 11;
    const auto dy = random_values<T>(rows * columns, 1);
    const auto start = random_values<Wide<T>>(vocabulary * columns, 2);
    std::vector<int32_t> ids;
    for (int64_t row = 0; row < rows; ++row) ids.push_back(static_cast<int32_t>(row * row % (vocabulary - 1)));
    // The order of additions is the contract, so the same additions in the wide type give the same bits.
    auto expected = start;
    for (int64_t row = 0; row < rows; ++row) {
        for (int64_t column = 0; column < columns; ++column)
            expected[ids[row] * columns + column] += static_cast<Wide<T>>(dy[row * columns + column]);
    }
    for (const int threads : {1, 2}) {
        kvs_set_threads(threads);
        auto dweight = start;
        checks.succeeds(kvs_embedding_backward(dtype<T>, rows, columns, vocabulary, ids.data(), dy.data(), dweight.data()),
                        "embedding_backward");
        checks.same_bits("embedding dweight", expected, dweight);
    }
    kvs_set_threads(1);
}

template <typename T>
void compare_adamw(Checks& checks) {
    constexpr double lr = 1e-2, beta1 = 0.9, beta2 = 0.95, small = 1e-8, decay = 0.1, scale = 0.5;
    for (const int64_t count : {0, 1, 19, 20005}) {
        const auto start = random_values<T>(count, 1);
        auto parameter = start, m = std::vector<T>(start.size()), v = m;
        auto want_parameter = widened(start), want_m = std::vector<double>(start.size()), want_v = want_m;
        std::vector<T> second = start, second_m = m, second_v = v;
        for (int64_t step = 1; step <= 3; ++step) {
            const auto gradient = random_values<T>(count, 10 + static_cast<unsigned>(step));
            kvs_set_threads(1);
            checks.succeeds(kvs_adamw(dtype<T>, count, parameter.data(), gradient.data(), m.data(), v.data(), lr, beta1, beta2,
                                      small, decay, step, scale),
                            "adamw");
            kvs_set_threads(2);
            checks.succeeds(kvs_adamw(dtype<T>, count, second.data(), gradient.data(), second_m.data(), second_v.data(), lr, beta1,
                                      beta2, small, decay, step, scale),
                            "adamw");
            kvs_set_threads(1);
            const double bias1 = 1 - std::pow(beta1, step), bias2 = 1 - std::pow(beta2, step);
            for (size_t i = 0; i < start.size(); ++i) {
                const double g = scale * gradient[i];
                want_m[i] = beta1 * want_m[i] + (1 - beta1) * g;
                want_v[i] = beta2 * want_v[i] + (1 - beta2) * g * g;
                want_parameter[i] -= lr * (want_m[i] / bias1 / (std::sqrt(want_v[i] / bias2) + small) + decay * want_parameter[i]);
            }
        }
        // Three steps of about five roundings each; the update itself is 1e-2 of the parameter.
        checks.close("adamw parameter", parameter, want_parameter, 8 * epsilon<T>);
        checks.close("adamw exp_avg", m, want_m, 8 * epsilon<T>);
        checks.close("adamw exp_avg_sq", v, want_v, 8 * epsilon<T>);
        checks.same_bits("adamw parameter", parameter, second);
        checks.same_bits("adamw exp_avg_sq", v, second_v);
    }
}

template <typename T>
void compare_sum_of_squares(Checks& checks) {
    for (const int64_t count : {0, 1, 13, 64, 8192, 8193, 100003}) {
        const auto x = random_values<T>(count, 1, 1e3);
        double expected = 0, alone = -1, pair = -1;
        for (const T value : x) expected += static_cast<double>(value) * value;
        kvs_set_threads(1);
        checks.succeeds(kvs_sum_of_squares(dtype<T>, count, x.data(), &alone), "sum_of_squares");
        kvs_set_threads(2);
        checks.succeeds(kvs_sum_of_squares(dtype<T>, count, x.data(), &pair), "sum_of_squares");
        kvs_set_threads(1);
        // Both sum in float64; n = 1e5 positive terms one after another err by at most n epsilon / 2, usually sqrt(n) epsilon.
        checks.that(std::abs(alone - expected) <= 1e-12 * expected, "sum_of_squares of " + std::to_string(count));
        checks.that(alone == pair, "sum_of_squares is the same on two threads");
    }
    const std::vector<T> hundred(100, T(3));
    double sum = 0;
    checks.succeeds(kvs_sum_of_squares(dtype<T>, 100, hundred.data(), &sum), "sum_of_squares");
    checks.that(sum == 900, "100 times 3 squared is 900");
}

}  // namespace

void test_rms_norm(Checks& checks) {
    compare_norms<float>(checks);
    compare_norms<double>(checks);
    compare_norms<BFloat16>(checks);
    differentiate_norm(checks);
}

void test_swiglu(Checks& checks) {
    compare_swiglu<float>(checks);
    compare_swiglu<double>(checks);
    compare_swiglu<BFloat16>(checks);
}

void test_embedding(Checks& checks) {
    compare_embedding<float>(checks);
    compare_embedding<double>(checks);
    compare_embedding<BFloat16>(checks);
}

void test_optimizer(Checks& checks) {
    compare_adamw<float>(checks);
    compare_adamw<double>(checks);
    compare_sum_of_squares<float>(checks);
    compare_sum_of_squares<double>(checks);
}

}  // namespace kernels_test
