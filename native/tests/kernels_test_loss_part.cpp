// Cross entropy over columns that several ranks hold: joined by hand, the parts give what the whole row gives.
#include "kernels_test.h"

#include <algorithm>

namespace kernels_test {
namespace {

constexpr int32_t ignored = -100;

template <typename T>
void compare(Checks& checks, int64_t rows, int64_t vocabulary, const std::vector<int64_t>& widths) {
    const auto logits = random_values<T>(rows * vocabulary, static_cast<unsigned>(vocabulary), 5);
    std::vector<int32_t> targets;
    for (int64_t row = 0; row < rows; ++row) targets.push_back(row % 4 == 2 ? ignored : static_cast<int32_t>(row * 7 % vocabulary));

    std::vector<T> whole = logits;
    double loss = 0;
    int64_t valid = 0;
    checks.succeeds(kvs_cross_entropy(dtype<T>, rows, vocabulary, whole.data(), targets.data(), ignored, 1, 1.0, &loss, &valid), "whole");

    std::vector<std::vector<T>> parts, statistics;
    int64_t first = 0;
    for (const int64_t width : widths) {
        std::vector<T> part(static_cast<size_t>(rows * width)), statistic(static_cast<size_t>(3 * rows), T(-7));
        for (int64_t row = 0; row < rows; ++row) {
            std::copy_n(logits.begin() + row * vocabulary + first, width, part.begin() + row * width);
        }
        checks.succeeds(kvs_cross_entropy_part(dtype<T>, rows, width, first, part.data(), targets.data(), statistic.data()), "part");
        parts.push_back(part);
        statistics.push_back(statistic);
        first += width;
    }

    double joined = 0;
    std::vector<std::vector<T>> factors(widths.size(), std::vector<T>(static_cast<size_t>(rows), T(0)));
    for (int64_t row = 0; row < rows; ++row) {
        double largest = -__builtin_inf(), sum = 0, at_target = 0;
        for (const auto& statistic : statistics) largest = std::max(largest, static_cast<double>(statistic[row]));
        for (const auto& statistic : statistics) {
            sum += statistic[rows + row] * std::exp(statistic[row] - largest);
            at_target += statistic[2 * rows + row];
        }
        if (targets[row] == ignored) continue;
        joined += std::log(sum) + largest - at_target;
        for (size_t part = 0; part < widths.size(); ++part) {
            factors[part][row] = static_cast<T>(std::exp(statistics[part][row] - largest) / sum);
        }
    }
    const std::string name = "cross_entropy in " + std::to_string(widths.size()) + " parts of " + std::to_string(vocabulary);
    const double tolerance = 64 * epsilon<T>;
    checks.close(name + " loss", std::vector<T>{static_cast<T>(joined)}, {loss}, tolerance);

    first = 0;
    std::vector<T> gradient(logits.size());
    for (size_t part = 0; part < widths.size(); ++part) {
        checks.succeeds(kvs_cross_entropy_part_gradient(dtype<T>, rows, widths[part], first, parts[part].data(), targets.data(),
                                                        factors[part].data()),
                        "gradient");
        for (int64_t row = 0; row < rows; ++row) {
            std::copy_n(parts[part].begin() + row * widths[part], widths[part], gradient.begin() + row * vocabulary + first);
        }
        first += widths[part];
    }
    checks.close(name + " gradient", gradient, std::vector<double>(whole.begin(), whole.end()), tolerance);
}

}  // namespace

void test_cross_entropy_part(Checks& checks) {
    compare<float>(checks, 9, 37, {37});
    compare<float>(checks, 9, 37, {24, 13});
    compare<float>(checks, 5, 1001, {504, 0, 496, 1});
    compare<double>(checks, 9, 37, {16, 16, 5});
}

}  // namespace kernels_test
