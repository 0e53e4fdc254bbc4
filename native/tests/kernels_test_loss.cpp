// Cross entropy, and through it the accuracy of the vectorised exponential.
#include "kernels_test.h"

namespace kernels_test {
namespace {

constexpr int32_t ignored = -100;

template <typename T>
struct LossResult {
    double loss = -1;
    int64_t valid = -1;
    std::vector<T> logits;
};

template <typename T>
LossResult<T> run(Checks& checks, const std::vector<T>& logits, const std::vector<int32_t>& targets, bool write, double scale) {
    LossResult<T> result;
    result.logits = logits;
    const auto rows = static_cast<int64_t>(targets.size()),
               vocabulary = static_cast<int64_t>(logits.size()) / std::max<int64_t>(rows, 1);
    checks.succeeds(kvs_cross_entropy(dtype<T>, rows, std::max<int64_t>(vocabulary, 1), result.logits.data(), targets.data(),
                                      ignored, write ? 1 : 0, scale, &result.loss, &result.valid),
                    "cross_entropy");
    return result;
}

template <typename T>
LossResult<double> reference(const std::vector<T>& logits, const std::vector<int32_t>& targets, double scale) {
    LossResult<double> result;
    result.loss = 0;
    result.valid = 0;
    result.logits.assign(logits.size(), 0);
    const size_t vocabulary = logits.size() / targets.size();
    for (size_t row = 0; row < targets.size(); ++row) {
        if (targets[row] == ignored) continue;
        const T* from = logits.data() + row * vocabulary;
        double largest = from[0], sum = 0;
        for (size_t i = 0; i < vocabulary; ++i) largest = std::max(largest, static_cast<double>(from[i]));
        for (size_t i = 0; i < vocabulary; ++i) sum += std::exp(from[i] - largest);
        result.loss += std::log(sum) + largest - from[targets[row]];
        ++result.valid;
        for (size_t i = 0; i < vocabulary; ++i) {
            result.logits[row * vocabulary + i] =
                scale * (std::exp(from[i] - largest) / sum - (static_cast<int32_t>(i) == targets[row] ? 1 : 0));
        }
    }
    return result;
}

template <typename T>
void compare(Checks& checks, int64_t rows, int64_t vocabulary, double spread) {
    const auto logits = random_values<T>(rows * vocabulary, static_cast<unsigned>(vocabulary), spread);
    std::vector<int32_t> targets;
    for (int64_t row = 0; row < rows; ++row) targets.push_back(row % 4 == 2 ? ignored : static_cast<int32_t>(row * 7 % vocabulary));
    constexpr double scale = 0.25;
    const auto expected = reference(logits, targets, scale);
    const auto only_loss = run(checks, logits, targets, false, scale), with_gradient = run(checks, logits, targets, true, scale);
    const std::string name = "cross_entropy " + std::to_string(rows) + " x " + std::to_string(vocabulary);
    // A difference of logits of order spread errs by spread epsilon, which the exponential makes relative.
    const double tolerance = (16 + 8 * spread) * epsilon<T>;
    checks.that(with_gradient.valid == expected.valid && only_loss.valid == expected.valid, name + " counts valid rows");
    checks.close(name + " loss", std::vector<T>{static_cast<T>(only_loss.loss)}, {expected.loss}, tolerance);
    checks.close(name + " loss beside the gradient", std::vector<T>{static_cast<T>(with_gradient.loss)}, {expected.loss},
                 tolerance);
    checks.close(name + " gradient", with_gradient.logits, expected.logits, tolerance);
    checks.that(std::memcmp(only_loss.logits.data(), logits.data(), logits.size() * sizeof(T)) == 0, name + " leaves logits alone");
}

// softmax of {0, x} has e^x / (1 + e^x) in its second place: that, relative to itself, shows the exponential's accuracy down to the
// smallest normal number. 2 units for e^x, half a unit each for the sum, the quotient and the product.
template <typename T>
void check_exponential(Checks& checks, double smallest) {
    double worst = 0;
    constexpr int steps = 4000;
    for (int step = 0; step <= steps; ++step) {
        const T x = static_cast<T>(smallest * step / steps);
        const auto result = run<T>(checks, {T(0), x}, {0}, true, 1);
        const double expected = std::exp(static_cast<double>(x)) / (1 + std::exp(static_cast<double>(x)));
        worst = std::max(worst, std::abs(result.logits[1] / expected - 1));
    }
    checks.that(worst <= 4 * epsilon<T>, "e^x is off by " + std::to_string(worst / epsilon<T>) + " units of epsilon");
}

template <typename T>
void check_extremes(Checks& checks) {
    const T infinity = std::numeric_limits<T>::infinity(), huge = static_cast<T>(1e30), nan = std::numeric_limits<T>::quiet_NaN();
    const auto certain = run<T>(checks, {huge, -huge, -infinity}, {0}, true, 1);
    checks.that(certain.loss == 0, "the loss of a certain target is 0");
    checks.that(certain.logits == std::vector<T>{0, 0, 0}, "the gradient of a certain target is 0");
    const auto impossible = run<T>(checks, {T(0), -infinity}, {1}, false, 1);
    checks.that(impossible.loss == std::numeric_limits<double>::infinity(), "the loss of an impossible target is infinite");
    checks.that(std::isnan(run<T>(checks, {T(0), nan, T(1)}, {0}, false, 1).loss), "NaN logits give a NaN loss");
    checks.that(std::isnan(run<T>(checks, {T(0), infinity}, {0}, true, 1).logits[1]), "infinite logits give NaN gradients");
    const auto one = run<T>(checks, {T(5), T(-7)}, {0, 0}, true, 1);
    checks.that(one.loss == 0 && one.valid == 2 && one.logits == std::vector<T>{0, 0}, "a vocabulary of one costs nothing");
    const auto none = run<T>(checks, {T(5), T(-7)}, {ignored}, true, 1);
    checks.that(none.loss == 0 && none.valid == 0 && none.logits == std::vector<T>{0, 0}, "an ignored row becomes zeros");
    const auto uniform = run<T>(checks, std::vector<T>(8, T(3)), {5}, true, 8);
    checks.that(std::abs(uniform.loss - std::log(8.0)) <= 4 * epsilon<T>, "the loss of a uniform guess among 8 is ln 8");
    checks.that(uniform.logits[5] == -7 && uniform.logits[0] == 1, "its gradient, times 8, is 1 and at the target -7");
}

template <typename T>
void check_threads(Checks& checks) {
    const auto logits = random_values<T>(40 * 1003, 3, 2);
    std::vector<int32_t> targets(40);
    for (int row = 0; row < 40; ++row) targets[row] = row * 25;
    kvs_set_threads(1);
    const auto alone = run(checks, logits, targets, true, 1);
    kvs_set_threads(2);
    const auto pair = run(checks, logits, targets, true, 1);
    kvs_set_threads(1);
    checks.that(alone.loss == pair.loss, "cross_entropy's loss is the same on two threads");
    checks.same_bits("cross_entropy gradient", alone.logits, pair.logits);
}

}  // namespace

void test_cross_entropy(Checks& checks) {
    constexpr int64_t shapes[][2] = {{1, 2}, {3, 1}, {5, 6}, {4, 64}, {9, 129}, {6, 1000}, {2, 8192}};
    for (const auto& shape : shapes) {
        for (const double spread : {1.0, 300.0}) {
            compare<float>(checks, shape[0], shape[1], spread);
            compare<double>(checks, shape[0], shape[1], spread);
        }
    }
    check_exponential<float>(checks, -87);
    check_exponential<double>(checks, -708);
    check_extremes<float>(checks);
    check_extremes<double>(checks);
    check_threads<float>(checks);
    check_threads<double>(checks);

    auto logits = random_values<double>(4 * 9, 5);
    const std::vector<int32_t> targets = {0, 8, ignored, 4};
    const auto gradient = run(checks, logits, targets, true, 1).logits;
    const auto differences = finite_differences(logits, [&] { return run(checks, logits, targets, false, 1).loss; });
    checks.close("cross_entropy d/dlogits", gradient, differences, finite_difference_tolerance);
}

}  // namespace kernels_test
