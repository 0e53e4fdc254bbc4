// Attention against the definition: whole rows of scores, softmax, and the chain rule, all in float64.
#include "kernels_test.h"

#include <algorithm>
#include <type_traits>

namespace kernels_test {
namespace {

template <typename T>
struct AttentionResult {
    std::vector<T> out;
    std::vector<Wide<T>> log_sum_exp;
    std::vector<T> dq, dk, dv;
};

template <typename T>
struct AttentionCase {
    int64_t batch, tokens, heads, kv_heads, head_size;
    int64_t window;
    double scale;
    std::vector<T> q, k, v, dout;
    std::vector<int32_t> positions;

    AttentionCase(int64_t batch, int64_t tokens, int64_t heads, int64_t kv_heads, int64_t head_size, Documents documents,
                  double spread = 1, int64_t window = 0)
        : batch(batch),
          tokens(tokens),
          heads(heads),
          kv_heads(kv_heads),
          head_size(head_size),
          window(window),
          scale(1 / std::sqrt(static_cast<double>(head_size))),
          q(random_values<T>(batch * tokens * heads * head_size, 1, spread)),
          k(random_values<T>(batch * tokens * kv_heads * head_size, 2, spread)),
          v(random_values<T>(batch * tokens * kv_heads * head_size, 3)),
          dout(random_values<T>(batch * tokens * heads * head_size, 4)),
          positions(document_positions(batch, tokens, documents)) {}

    // All queries at once.
    AttentionResult<T> run(Checks& checks) const { return run(checks, {tokens}); }

    // The queries of each row in parts of these many, one call for each; the gradients of keys and values are their sums.
    AttentionResult<T> run(Checks& checks, const std::vector<int64_t>& parts) const {
        AttentionResult<T> result = {
            std::vector<T>(q.size()), std::vector<Wide<T>>(static_cast<size_t>(batch * heads * tokens)), std::vector<T>(q.size()),
            std::vector<T>(k.size()), std::vector<T>(v.size())};
        int64_t begin = 0;
        for (const int64_t count : parts) {
            const size_t elements = static_cast<size_t>(batch * count * heads * head_size);
            std::vector<T> part_q(elements), part_dout(elements);
            copy_queries(q, part_q, begin, count, true);
            copy_queries(dout, part_dout, begin, count, true);
            // 99 shows any element that is added to instead of overwritten, or left out.
            AttentionResult<T> part = {
                std::vector<T>(elements, T(99)), std::vector<Wide<T>>(static_cast<size_t>(batch * heads * count), Wide<T>(99)),
                std::vector<T>(elements, T(99)), std::vector<T>(k.size(), T(99)), std::vector<T>(v.size(), T(99))};
            checks.succeeds(kvs_attention_forward(dtype<T>, batch, tokens, begin, count, heads, kv_heads, head_size, part_q.data(),
                                                  k.data(), v.data(), positions.data(), window, scale, part.out.data(),
                                                  part.log_sum_exp.data()),
                            "attention_forward");
            checks.succeeds(kvs_attention_backward(dtype<T>, batch, tokens, begin, count, heads, kv_heads, head_size, part_q.data(),
                                                   k.data(), v.data(), positions.data(), window, scale, part.out.data(),
                                                   part.log_sum_exp.data(), part_dout.data(), part.dq.data(), part.dk.data(),
                                                   part.dv.data()),
                            "attention_backward");
            copy_queries(result.out, part.out, begin, count, false);
            copy_queries(result.dq, part.dq, begin, count, false);
            for (int64_t row = 0; row < batch * heads; ++row) {
                std::copy_n(part.log_sum_exp.begin() + row * count, count, result.log_sum_exp.begin() + row * tokens + begin);
            }
            for (size_t i = 0; i < k.size(); ++i) {
                result.dk[i] += part.dk[i];
                result.dv[i] += part.dv[i];
            }
            begin += count;
        }
        return result;
    }

    // Queries begin .. begin + count - 1 of each row between the whole array and one that holds these alone.
    template <typename Whole>
    void copy_queries(Whole& whole, std::vector<T>& part, int64_t begin, int64_t count, bool out_of_whole) const {
        const int64_t stride = heads * head_size;
        for (int64_t row = 0; row < batch; ++row) {
            const auto at = whole.begin() + (row * tokens + begin) * stride;
            const auto in_part = part.begin() + row * count * stride;
            if constexpr (std::is_const_v<Whole>) {
                std::copy_n(at, count * stride, in_part);
            } else if (out_of_whole) {
                std::copy_n(at, count * stride, in_part);
            } else {
                std::copy_n(in_part, count * stride, at);
            }
        }
    }

    AttentionResult<double> reference() const {
        AttentionResult<double> result = {
            std::vector<double>(q.size()), std::vector<double>(static_cast<size_t>(batch * heads * tokens)),
            std::vector<double>(q.size()), std::vector<double>(k.size()), std::vector<double>(v.size())};
        for (int64_t row = 0; row < batch; ++row) {
            for (int64_t head = 0; head < heads; ++head) {
                for (int64_t token = 0; token < tokens; ++token) add_query(result, row, head, token);
            }
        }
        return result;
    }

    void add_query(AttentionResult<double>& result, int64_t row, int64_t head, int64_t token) const {
        const int64_t position = positions[static_cast<size_t>(row * tokens + token)];
        const int64_t first = token - (window == 0 ? position : std::min(position, window - 1));
        const int64_t query = ((row * tokens + token) * heads + head) * head_size;
        const auto key_at = [&](int64_t key) { return ((row * tokens + key) * kv_heads + head / (heads / kv_heads)) * head_size; };
        std::vector<double> p;
        double largest = -1e300, sum = 0;
        for (int64_t key = first; key <= token; ++key) {
            double score = 0;
            for (int64_t i = 0; i < head_size; ++i) score += static_cast<double>(q[query + i]) * k[key_at(key) + i];
            p.push_back(score * scale);
            largest = std::max(largest, p.back());
        }
        for (double& value : p) sum += value = std::exp(value - largest);
        for (double& value : p) value /= sum;
        result.log_sum_exp[(row * heads + head) * tokens + token] = largest + std::log(sum);

        std::vector<double> dp(p.size());
        double mean = 0;
        for (size_t index = 0; index < p.size(); ++index) {
            const int64_t key = key_at(first + static_cast<int64_t>(index));
            for (int64_t i = 0; i < head_size; ++i) {
                result.out[query + i] += p[index] * v[key + i];
                result.dv[key + i] += p[index] * dout[query + i];
                dp[index] += static_cast<double>(dout[query + i]) * v[key + i];
            }
        }
        // sum of p dp, out of the output as it was kept.
        for (int64_t i = 0; i < head_size; ++i) mean += dout[query + i] * static_cast<T>(result.out[query + i]);
        for (size_t index = 0; index < p.size(); ++index) {
            const int64_t key = key_at(first + static_cast<int64_t>(index));
            const double dscore = p[index] * (dp[index] - mean) * scale;
            for (int64_t i = 0; i < head_size; ++i) {
                result.dq[query + i] += dscore * k[key + i];
                result.dk[key + i] += dscore * q[query + i];
            }
        }
    }
};

template <typename T>
void compare(Checks& checks, const AttentionCase<T>& input, double spread = 1, const std::vector<int64_t>& parts = {}) {
    const auto actual = parts.empty() ? input.run(checks) : input.run(checks, parts);
    const auto expected = input.reference();
    const std::string name = "attention " + std::to_string(input.batch) + "x" + std::to_string(input.tokens) + ", heads " +
                             std::to_string(input.heads) + "/" + std::to_string(input.kv_heads) + " of " +
                             std::to_string(input.head_size) + ", window " + std::to_string(input.window);
    // A score is a sum of head_size products of order spread^2, scaled by 1 / sqrt(head_size): it is of order spread^2 with tails
    // of a few times that, and errs by as many epsilon. The exponential turns this into a relative error of each probability, and
    // the gradients are sums of up to a few hundred such terms, of which the largest count: 64 units at spread 1. Each part's gradients of
    // keys and values are rounded, and so is each sum of them.
    const double units = 64 * spread * spread, roundings = 2.0 * static_cast<double>(std::max<size_t>(parts.size(), 1)) - 1;
    checks.close(name + " out", actual.out, expected.out, stored<T>(units));
    checks.close(name + " log_sum_exp", actual.log_sum_exp, expected.log_sum_exp, stored<Wide<T>>(units));
    checks.close(name + " dq", actual.dq, expected.dq, stored<T>(units * spread));
    checks.close(name + " dk", actual.dk, expected.dk, roundings * stored<T>(units * spread));
    checks.close(name + " dv", actual.dv, expected.dv, roundings * stored<T>(units));
}

template <typename T>
void compare_all(Checks& checks) {
    struct Shape {
        int64_t batch, tokens, heads, kv_heads, head_size;
    };
    // The last two have more keys than a chunk of the backward pass in either type.
    constexpr Shape shapes[] = {{1, 1, 1, 1, 8},    {2, 1, 4, 1, 64},   {2, 7, 2, 1, 6},     {1, 64, 2, 2, 64},
                                {1, 65, 4, 2, 24},  {2, 130, 3, 3, 80}, {1, 150, 3, 1, 128}, {1, 67, 2, 2, 1},
                                {2, 129, 8, 2, 33}, {1, 63, 1, 1, 16},  {1, 300, 2, 1, 256}, {1, 600, 2, 1, 128}};
    for (const Shape& shape : shapes) {
        for (const Documents documents : {Documents::one, Documents::of_one_token, Documents::random}) {
            compare(checks, AttentionCase<T>(shape.batch, shape.tokens, shape.heads, shape.kv_heads, shape.head_size, documents));
        }
    }
    // Scores of several hundred: without the running maximum every exponential would overflow.
    compare(checks, AttentionCase<T>(1, 90, 2, 1, 64, Documents::one, 16), 16);

    // Windows of one key, inside a block, of whole blocks, over several, and longer than the row; the longest row has several chunks of keys in
    // the backward pass, so that some are out of the window of all queries after them.
    for (const int64_t window : {1, 3, 64, 70, 129, 1000}) {
        for (const Documents documents : {Documents::one, Documents::random}) {
            compare(checks, AttentionCase<T>(2, 200, 4, 2, 24, documents, 1, window));
        }
        compare(checks, AttentionCase<T>(1, 600, 2, 1, 128, Documents::one, 1, window));
        // Parts that begin and end in the middle of blocks, and keys of more than one chunk.
        compare(checks, AttentionCase<T>(2, 200, 4, 2, 24, Documents::random, 1, window), 1, {37, 64, 0, 1, 98});
        compare(checks, AttentionCase<T>(1, 600, 2, 1, 128, Documents::one, 1, window), 1, {10, 290, 300});
    }

    const AttentionCase<T> large(2, 200, 4, 2, 64, Documents::random);
    kvs_set_threads(1);
    const auto alone = large.run(checks);
    for (const int threads : {2, 3}) {
        kvs_set_threads(threads);
        const auto together = large.run(checks);
        checks.same_bits("attention out", alone.out, together.out);
        checks.same_bits("attention log_sum_exp", alone.log_sum_exp, together.log_sum_exp);
        checks.same_bits("attention dq", alone.dq, together.dq);
        checks.same_bits("attention dk", alone.dk, together.dk);
        checks.same_bits("attention dv", alone.dv, together.dv);
    }
    kvs_set_threads(1);
}

template <typename T>
void check_nan(Checks& checks) {
    AttentionCase<T> input(1, 70, 1, 1, 16, Documents::one);
    const auto clean = input.run(checks).out;
    input.q[66 * 16 + 3] = std::numeric_limits<double>::quiet_NaN();
    const auto result = input.run(checks).out;
    bool others_equal = true, own_nan = true;
    for (size_t i = 0; i < result.size(); ++i) {
        if (i / 16 == 66)
            own_nan &= std::isnan(result[i]);
        else
            others_equal &= result[i] == clean[i];
    }
    checks.that(own_nan, "a NaN in a query reaches its whole output");
    checks.that(others_equal, "a NaN in a query reaches no other output");
}

// A document among others has the bits of the same document alone where both begin a block of queries.
void check_isolation(Checks& checks) {
    AttentionCase<float> both(1, 128, 2, 1, 24, Documents::one);
    for (int token = 64; token < 128; ++token) both.positions[static_cast<size_t>(token)] = token - 64;
    const auto before = both.run(checks).out;
    for (size_t i = 0; i < 64 * 24; ++i) both.k[i] += 1, both.v[i] -= 1;
    const auto after = both.run(checks).out;
    checks.that(std::memcmp(before.data() + 64 * 48, after.data() + 64 * 48, 64 * 48 * sizeof(float)) == 0,
                "a document does not see the one before it");
    checks.that(std::memcmp(before.data(), after.data(), 64 * 48 * sizeof(float)) != 0, "the first document sees its own keys");
}

// What a query does not see changes no bit of it, and blocks of keys that no query of a block sees are not read: zero times NaN would show.
void check_window_is_left_out(Checks& checks) {
    AttentionCase<float> input(1, 300, 2, 1, 24, Documents::one, 1, 50);
    const auto before = input.run(checks);
    const auto same_from = [&](size_t query, const std::vector<float>& a, const std::vector<float>& b) {
        return std::memcmp(a.data() + query * 48, b.data() + query * 48, (300 - query) * 48 * sizeof(float)) == 0;
    };
    for (size_t i = 0; i < 100 * 24; ++i) input.k[i] += 1, input.v[i] -= 1;
    const auto shifted = input.run(checks);
    checks.that(same_from(149, before.out, shifted.out) && same_from(149, before.dq, shifted.dq),
                "a query does not see the keys before its window");
    checks.that(!same_from(148, before.out, shifted.out), "a query sees the first key of its window");
    for (size_t i = 0; i < 100 * 24; ++i) input.k[i] = input.v[i] = std::numeric_limits<float>::quiet_NaN();
    const auto unreadable = input.run(checks);
    checks.that(same_from(192, before.out, unreadable.out) && same_from(192, before.dq, unreadable.dq),
                "blocks of keys outside the window of a block of queries are left out");
}

void differentiate(Checks& checks) {
    for (const int64_t window : {0, 3}) {
        for (const Documents documents : {Documents::one, Documents::random}) {
            AttentionCase<double> input(1, 9, 4, 2, 6, documents, 1, window);
            const auto gradient = input.run(checks);
            const auto loss = [&] { return dot(input.run(checks).out, input.dout); };
            checks.close("attention d/dq", gradient.dq, finite_differences(input.q, loss), finite_difference_tolerance);
            checks.close("attention d/dk", gradient.dk, finite_differences(input.k, loss), finite_difference_tolerance);
            checks.close("attention d/dv", gradient.dv, finite_differences(input.v, loss), finite_difference_tolerance);
        }
    }
}

}  // namespace

void test_attention(Checks& checks) {
    compare_all<float>(checks);
    compare_all<double>(checks);
    compare_all<BFloat16>(checks);
    check_nan<float>(checks);
    check_nan<double>(checks);
    check_nan<BFloat16>(checks);
    check_isolation(checks);
    check_window_is_left_out(checks);
    differentiate(checks);
}

}  // namespace kernels_test
