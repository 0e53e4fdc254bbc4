// What the groups of kernel tests share: counting, comparing, inputs, and threads 1 against 2.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <kvshift.h>

namespace kernels_test {

// bfloat16 with the conversions of a number: computed with in float64, rounded to the nearest where it is kept, ties to even.
class BFloat16 {
public:
    BFloat16() = default;
    BFloat16(double value) {
        // Not by way of float32: rounding twice would miss ties. The exponent says what one unit is.
        if (std::isfinite(value) && value != 0) {
            const double unit = std::ldexp(1.0, std::max(std::ilogb(value), -126) - 7);
            value = std::nearbyint(value / unit) * unit;
        }
        const float exact = static_cast<float>(value);
        uint32_t bits;
        std::memcpy(&bits, &exact, sizeof(bits));
        bits_ = static_cast<uint16_t>(bits >> 16);
    }

    operator double() const {
        const uint32_t bits = static_cast<uint32_t>(bits_) << 16;
        float wide;
        std::memcpy(&wide, &bits, sizeof(wide));
        return wide;
    }

    BFloat16& operator+=(double value) { return *this = BFloat16(*this + value); }

private:
    uint16_t bits_ = 0;
};

// What is told of an element type: its kvs_dtype, the distance from 1 to the next number, its name, and the type that is computed in.
template <typename T>
struct Element;

template <>
struct Element<float> {
    using Wide = float;
    static constexpr int32_t dtype = KVS_FLOAT32;
    static constexpr double epsilon = std::numeric_limits<float>::epsilon();
    static constexpr const char* name = "float32";
};

template <>
struct Element<double> {
    using Wide = double;
    static constexpr int32_t dtype = KVS_FLOAT64;
    static constexpr double epsilon = std::numeric_limits<double>::epsilon();
    static constexpr const char* name = "float64";
};

template <>
struct Element<BFloat16> {
    using Wide = float;
    static constexpr int32_t dtype = KVS_BFLOAT16;
    static constexpr double epsilon = 1.0 / 128;
    static constexpr const char* name = "bfloat16";
};

template <typename T>
constexpr int32_t dtype = Element<T>::dtype;

template <typename T>
constexpr double epsilon = Element<T>::epsilon;

// Of statistics and gradients of parameters.
template <typename T>
using Wide = typename Element<T>::Wide;

// How far a result of T may be off that errs by so many units of the type it is computed in, and is rounded where it is kept.
template <typename T>
constexpr double stored(double units) {
    return units * epsilon<Wide<T>> + (sizeof(T) < sizeof(Wide<T>) ? epsilon<T> / 2 : 0);
}

template <typename T>
const char* type_name() {
    return Element<T>::name;
}

class Checks {
public:
    void that(bool holds, const std::string& what) {
        if (holds) {
            ++passed;
            return;
        }
        ++failed;
        std::fprintf(stderr, "FAILED: %s\n", what.c_str());
    }

    void succeeds(int32_t status, const std::string& what) {
        that(status == KVS_OK, what + ": status " + std::to_string(status) + ", " + kvs_last_error());
    }

    // The call fails with status, and its text names what is wrong.
    void refuses(int32_t status, int32_t wanted, const std::string& part_of_text) {
        const std::string text = kvs_last_error();
        that(status == wanted && text.find(part_of_text) != std::string::npos, "wanted status " + std::to_string(wanted) +
                                                                                   " with '" + part_of_text + "', got " +
                                                                                   std::to_string(status) + " with '" + text + "'");
    }

    // |actual - expected| <= tolerance * max(1, |expected|) everywhere.
    template <typename T>
    void close(const std::string& what, const std::vector<T>& actual, const std::vector<double>& expected, double tolerance) {
        double worst = 0;
        size_t worst_index = 0;
        bool finite = actual.size() == expected.size();
        for (size_t index = 0; finite && index < expected.size(); ++index) {
            const double difference =
                std::abs(static_cast<double>(actual[index]) - expected[index]) / std::max(1.0, std::abs(expected[index]));
            if (!(difference <= worst)) worst = difference, worst_index = index;
            finite = std::isfinite(difference);
        }
        const std::string place =
            expected.empty() ? "" : " at " + std::to_string(worst_index) + " of " + std::to_string(expected.size());
        that(finite && worst <= tolerance, what + " (" + type_name<T>() + "): difference " + std::to_string(worst / epsilon<T>) +
                                               " units of epsilon" + place + ", allowed " + std::to_string(tolerance / epsilon<T>));
    }

    template <typename T>
    void same_bits(const std::string& what, const std::vector<T>& a, const std::vector<T>& b) {
        that(a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0),
             what + " (" + type_name<T>() + "): bits differ between thread counts");
    }

    int passed = 0;
    int failed = 0;
};

template <typename T>
std::vector<T> random_values(int64_t count, unsigned seed, double scale = 1) {
    std::mt19937 generator(seed);
    std::normal_distribution<double> normal(0, scale);
    std::vector<T> values(static_cast<size_t>(count));
    for (T& value : values) value = static_cast<T>(normal(generator));
    return values;
}

template <typename T>
std::vector<double> widened(const std::vector<T>& values) {
    return std::vector<double>(values.begin(), values.end());
}

enum class Documents { one, of_one_token, random };

inline std::vector<int32_t> document_positions(int64_t batch, int64_t tokens, Documents documents, unsigned seed = 7) {
    std::mt19937 generator(seed);
    std::vector<int32_t> positions(static_cast<size_t>(batch * tokens));
    for (int64_t row = 0; row < batch; ++row) {
        int32_t position = 0;
        for (int64_t token = 0; token < tokens; ++token, ++position) {
            const bool begins = token == 0 || documents == Documents::of_one_token ||
                                (documents == Documents::random && generator() % (position < 3 ? 3 : 40) == 0);
            if (begins) position = 0;
            positions[static_cast<size_t>(row * tokens + token)] = position;
        }
    }
    return positions;
}

// (loss(x + h) - loss(x - h)) / 2h for each element of x. With h = 1e-5 and third derivatives of order 1 the truncation is 1e-10
// and the rounding of a loss of order 100 is 1e-14 / 1e-5 = 1e-9; comparisons allow 1e-7.
template <typename Loss>
std::vector<double> finite_differences(std::vector<double>& x, Loss&& loss) {
    constexpr double h = 1e-5;
    std::vector<double> gradient(x.size());
    for (size_t index = 0; index < x.size(); ++index) {
        const double kept = x[index];
        x[index] = kept + h;
        const double above = loss();
        x[index] = kept - h;
        const double below = loss();
        x[index] = kept;
        gradient[index] = (above - below) / (2 * h);
    }
    return gradient;
}

constexpr double finite_difference_tolerance = 1e-7;

inline double dot(const std::vector<double>& a, const std::vector<double>& b) {
    double sum = 0;
    for (size_t index = 0; index < a.size(); ++index) sum += a[index] * b[index];
    return sum;
}

// The groups, one CTest test each.
void test_rms_norm(Checks& checks);
void test_shift_rope(Checks& checks);
void test_attention(Checks& checks);
void test_swiglu(Checks& checks);
void test_cross_entropy(Checks& checks);
void test_cross_entropy_part(Checks& checks);
void test_embedding(Checks& checks);
void test_optimizer(Checks& checks);
void test_matmul(Checks& checks);
void test_arguments(Checks& checks);

}  // namespace kernels_test
