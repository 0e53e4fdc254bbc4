// KV shift and rotary embedding against their definition.
#include "kernels_test.h"

namespace kernels_test {
namespace {

template <typename T>
struct ShiftRopeResult {
    std::vector<T> y, dx, dshift;
};

// x is the middle of a wider row, as a projection that holds queries, keys and values side by side would be.
template <typename T>
struct ShiftRopeCase {
    int64_t batch, tokens, heads, head_size, stride, taps;
    bool rotated;
    std::vector<T> x, shift, cosine, sine, dy;
    std::vector<int32_t> positions;

    static constexpr int64_t margin = 3;
    static constexpr int untouched = 77;

    // taps 0: no shift.
    ShiftRopeCase(int64_t batch, int64_t tokens, int64_t heads, int64_t head_size, Documents documents, int64_t taps, bool rotated)
        : batch(batch),
          tokens(tokens),
          heads(heads),
          head_size(head_size),
          stride(heads * head_size + 2 * margin),
          taps(taps),
          rotated(rotated),
          x(random_values<T>(batch * tokens * stride, 1)),
          shift(random_values<T>(heads * taps, 2)),
          dy(random_values<T>(batch * tokens * heads * head_size, 3)),
          positions(document_positions(batch, tokens, documents)) {
        for (int64_t position = 0; position < tokens; ++position) {
            for (int64_t pair = 0; pair < head_size / 2; ++pair) {
                const double angle = static_cast<double>(position) *
                                     std::pow(1e4, -2.0 * static_cast<double>(pair) / static_cast<double>(head_size));
                cosine.push_back(static_cast<T>(std::cos(angle)));
                sine.push_back(static_cast<T>(std::sin(angle)));
            }
        }
    }

    ShiftRopeResult<T> run(Checks& checks) const {
        ShiftRopeResult<T> result = {std::vector<T>(dy.size()), std::vector<T>(x.size(), T(untouched)),
                                     std::vector<T>(shift.size())};
        const T* c = rotated ? cosine.data() : nullptr;
        const T* s = rotated ? sine.data() : nullptr;
        const T* weights = taps > 0 ? shift.data() : nullptr;
        checks.succeeds(kvs_shift_rope_forward(dtype<T>, batch, tokens, heads, head_size, x.data() + margin, stride, weights,
                                               taps, positions.data(), c, s, result.y.data()),
                        "shift_rope_forward");
        checks.succeeds(
            kvs_shift_rope_backward(dtype<T>, batch, tokens, heads, head_size, x.data() + margin, stride, weights, taps,
                                    positions.data(), c, s, dy.data(), result.dx.data() + margin, stride,
                                    taps > 0 ? result.dshift.data() : nullptr),
            "shift_rope_backward");
        return result;
    }

    // Lags of row's window that stay inside its document.
    int64_t window(int64_t row) const {
        return std::min(taps - 1, std::min<int64_t>(row % tokens, positions[static_cast<size_t>(row)])) + 1;
    }

    // Forward by the definition; backward by scattering each output's gradient to the inputs that it reads.
    ShiftRopeResult<double> reference() const {
        ShiftRopeResult<double> result = {std::vector<double>(dy.size()), std::vector<double>(x.size()),
                                          std::vector<double>(shift.size())};
        std::vector<double> dx(x.size());
        // Sums of thousands of terms, which in float64 would err by more than the kernel's, that are split over lanes.
        std::vector<long double> dshift(result.dshift.size());
        const int64_t half = head_size / 2;
        for (int64_t row = 0; row < batch * tokens; ++row) {
            for (int64_t head = 0; head < heads; ++head) {
                const size_t at = static_cast<size_t>(row * stride + margin + head * head_size);
                const size_t out = static_cast<size_t>((row * heads + head) * head_size);
                std::vector<double> mixed(static_cast<size_t>(head_size)), dmixed(mixed.size());
                for (int64_t i = 0; i < head_size; ++i) {
                    if (taps == 0) mixed[i] = x[at + i];
                    for (int64_t lag = 0; taps > 0 && lag < window(row); ++lag)
                        mixed[i] += static_cast<double>(shift[(head + 1) * taps - 1 - lag]) * x[at - lag * stride + i];
                    dmixed[i] = dy[out + i];
                    result.y[out + i] = mixed[i];
                }
                for (int64_t i = 0; rotated && i < half; ++i) {
                    const size_t angle = static_cast<size_t>(positions[static_cast<size_t>(row)] * half + i);
                    const double c = cosine[angle], s = sine[angle];
                    result.y[out + i] = mixed[i] * c - mixed[i + half] * s;
                    result.y[out + half + i] = mixed[i + half] * c + mixed[i] * s;
                    dmixed[i] = dy[out + i] * c + dy[out + half + i] * s;
                    dmixed[i + half] = dy[out + half + i] * c - dy[out + i] * s;
                }
                for (int64_t i = 0; i < head_size; ++i) {
                    if (taps == 0) dx[at + i] += dmixed[i];
                    for (int64_t lag = 0; taps > 0 && lag < window(row); ++lag) {
                        const int64_t column = (head + 1) * taps - 1 - lag;
                        dx[at - lag * stride + i] += shift[column] * dmixed[i];
                        dshift[column] += dmixed[i] * x[at - lag * stride + i];
                    }
                }
            }
        }
        result.dshift.assign(dshift.begin(), dshift.end());
        for (size_t i = 0; i < dx.size(); ++i) {
            const int64_t column = static_cast<int64_t>(i) % stride;
            result.dx[i] = column < margin || column >= stride - margin ? untouched : dx[i];
        }
        return result;
    }
};

template <typename T>
void compare(Checks& checks, const ShiftRopeCase<T>& input, const std::string& name) {
    const auto actual = input.run(checks);
    const auto expected = input.reference();
    // At most eight products and their sums for y and dx. dshift sums rows * head_size terms of order 1, in lanes and blocks.
    checks.close(name + " y", actual.y, expected.y, stored<T>(12));
    checks.close(name + " dx", actual.dx, expected.dx, stored<T>(12));
    const double terms = static_cast<double>(input.batch * input.tokens * input.head_size);
    checks.close(name + " dshift", actual.dshift, expected.dshift, stored<T>(8 + 2 * std::sqrt(terms)));
}

template <typename T>
void compare_all(Checks& checks) {
    for (const int64_t head_size : {2, 6, 24, 64, 80, 128}) {
        for (const Documents documents : {Documents::one, Documents::of_one_token, Documents::random}) {
            for (const int64_t taps : {0, 1, 2, 3, 4}) {
                for (const bool rotated : {false, true}) {
                    const std::string name = "shift_rope head size " + std::to_string(head_size) + ", taps " + std::to_string(taps);
                    compare(checks, ShiftRopeCase<T>(2, 37, 3, head_size, documents, taps, rotated), name);
                    compare(checks, ShiftRopeCase<T>(1, 1, 1, head_size, documents, taps, rotated), name + ", one token");
                }
            }
        }
    }
    for (const int64_t taps : {2, 4}) {
        compare(checks, ShiftRopeCase<T>(2, 9, 2, 7, Documents::random, taps, false), "shift of an odd head size");

        const ShiftRopeCase<T> large(2, 200, 2, 64, Documents::random, taps, true);
        kvs_set_threads(1);
        const auto alone = large.run(checks);
        kvs_set_threads(2);
        const auto pair = large.run(checks);
        kvs_set_threads(1);
        checks.same_bits("shift_rope y", alone.y, pair.y);
        checks.same_bits("shift_rope dx", alone.dx, pair.dx);
        checks.same_bits("shift_rope dshift", alone.dshift, pair.dshift);
        compare(checks, large, "shift_rope over several blocks of rows");
    }
}

// By hand: one head of two, weights 10 (previous) and 1 (current), the second document begins at the third token.
void check_by_hand(Checks& checks) {
    const std::vector<double> x = {1, 2, 3, 4, 5, 6}, shift = {10, 1};
    const std::vector<int32_t> positions = {0, 1, 0};
    std::vector<double> y(6);
    checks.succeeds(
        kvs_shift_rope_forward(KVS_FLOAT64, 1, 3, 1, 2, x.data(), 2, shift.data(), 2, positions.data(), nullptr, nullptr, y.data()),
        "shift");
    checks.that(y == std::vector<double>{1, 2, 13, 24, 5, 6}, "the shift mixes within documents only");

    // Four positions in one document: 1000 weighs three tokens ago, 1 the current one.
    const std::vector<double> ones = {1, 1, 1, 1}, decades = {1000, 100, 10, 1};
    const std::vector<int32_t> one_document = {0, 1, 2, 3};
    std::vector<double> sums(4);
    checks.succeeds(kvs_shift_rope_forward(KVS_FLOAT64, 1, 4, 1, 1, ones.data(), 1, decades.data(), 4, one_document.data(), nullptr,
                                           nullptr, sums.data()),
                    "shift over four positions");
    checks.that(sums == std::vector<double>{1, 11, 111, 1111}, "a document's first tokens see what there is of the window");

    // A quarter turn at position 1: (a, b) becomes (-b, a).
    const std::vector<double> cosine = {1, 0}, sine = {0, 1};
    checks.succeeds(kvs_shift_rope_forward(KVS_FLOAT64, 1, 3, 1, 2, x.data(), 2, nullptr, 0, positions.data(), cosine.data(),
                                           sine.data(), y.data()),
                    "rope");
    checks.that(y == std::vector<double>{1, 2, -4, 3, 5, 6}, "a quarter turn");
}

void differentiate(Checks& checks) {
    // Position 0, a document's first and last token, documents of one token, and all scalars of each head occur.
    for (const auto& [documents, taps] : {std::pair{Documents::one, 2}, {Documents::random, 2}, {Documents::random, 3},
                                          {Documents::one, 4}, {Documents::random, 4}}) {
        ShiftRopeCase<double> input(2, 7, 2, 6, documents, taps, true);
        const auto gradient = input.run(checks);
        const auto loss = [&] { return dot(input.run(checks).y, input.dy); };
        auto of_x = finite_differences(input.x, loss);
        for (size_t i = 0; i < of_x.size(); ++i) {
            const int64_t column = static_cast<int64_t>(i) % input.stride;
            if (column < input.margin || column >= input.stride - input.margin) of_x[i] = input.untouched;
        }
        checks.close("shift_rope d/dx", gradient.dx, of_x, finite_difference_tolerance);
        checks.close("shift_rope d/dshift", gradient.dshift, finite_differences(input.shift, loss), finite_difference_tolerance);
    }
}

}  // namespace

void test_shift_rope(Checks& checks) {
    compare_all<float>(checks);
    compare_all<double>(checks);
    compare_all<BFloat16>(checks);
    check_by_hand(checks);
    differentiate(checks);
}

}  // namespace kernels_test
