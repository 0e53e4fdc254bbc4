// Run by mpirun. Element i of rank r is r + i (in part p of a scattered buffer: r + i + 10 p), so with n ranks the sum is
// n i + n (n - 1) / 2, the largest is n - 1 + i and the smallest i. All are whole and below 256 where dtype is bfloat16,
// whose integers are exact up to there.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include <sys/mman.h>
#include <unistd.h>

#include "kvshift_collectives.h"

namespace {

#if defined(KVSHIFT_LARGEST_MPI_COUNT)
constexpr bool kSplitsEverything = true;
#else
constexpr bool kSplitsEverything = false;
#endif

int rank = 0;
int size = 1;
int checks = 0;

[[noreturn]] void fail(const std::string& text) {
    std::fprintf(stderr, "rank %d of %d: FAILED: %s\n", rank, size, text.c_str());
    std::exit(1);
}

void expect(bool holds, const std::string& text) {
    checks++;
    if (!holds) fail(text);
}

void ok(int32_t status, const std::string& what) {
    expect(status == KVS_OK, what + " gave status " + std::to_string(status) + ": " + kvs_collectives_last_error());
}

void expect_refused(int32_t status, const std::string& text) {
    expect(status == KVS_INVALID_ARGUMENT, "status " + std::to_string(status) + " where '" + text + "' was wanted");
    expect(kvs_collectives_last_error() == text, std::string("found '") + kvs_collectives_last_error() + "', wanted '" + text + "'");
}

struct BFloat16 {
    uint16_t bits;
};

template <typename T>
T from_double(double value) {
    return static_cast<T>(value);
}

// Only for values that bfloat16 holds exactly.
template <>
BFloat16 from_double<BFloat16>(double value) {
    const float single = static_cast<float>(value);
    uint32_t bits;
    std::memcpy(&bits, &single, sizeof bits);
    if ((bits & 0xffffu) != 0) fail("the test wants a bfloat16 that there is not: " + std::to_string(value));
    return BFloat16{static_cast<uint16_t>(bits >> 16)};
}

template <typename T>
double to_double(T value) {
    return static_cast<double>(value);
}

template <>
double to_double<BFloat16>(BFloat16 value) {
    const uint32_t bits = static_cast<uint32_t>(value.bits) << 16;
    float single;
    std::memcpy(&single, &bits, sizeof single);
    return single;
}

enum class Form { Blocking, Started };

// Runs either form of a collective to its end.
template <typename Blocking, typename Start>
void run(Form form, const std::string& what, Blocking&& blocking, Start&& start) {
    if (form == Form::Blocking) {
        ok(blocking(), what);
        return;
    }
    kvs_work* work = nullptr;
    ok(start(&work), what + "_start");
    for (int32_t done = 0, turn = 0; done == 0; turn++)
        ok(turn % 2 == 0 ? kvs_test(work, &done) : kvs_test_for(work, 200, &done), what + ", kvs_test");
    ok(kvs_wait(work), what + ", kvs_wait");
}

double reduced(int32_t operation, double i) {
    if (operation == KVS_SUM) return size * i + size * (size - 1) / 2.0;
    return operation == KVS_MAX ? size - 1 + i : i;
}

// Elements start .. start + count of found are wanted(0), wanted(1), ..., and the one after the last is still -1.
template <typename T, typename Wanted>
void expect_elements(const std::vector<T>& found, int64_t start, int64_t count, const std::string& what, Wanted&& wanted) {
    checks++;
    for (int64_t i = 0; i < count; i++)
        if (to_double(found[start + i]) != wanted(i))
            fail(what + ": element " + std::to_string(start + i) + " is " + std::to_string(to_double(found[start + i]))
                 + ", wanted " + std::to_string(wanted(i)));
    if (to_double(found.back()) != -1) fail(what + " wrote beyond its buffer");
}

template <typename T>
void test_collectives(kvs_group* group, int32_t dtype, int64_t count, Form form) {
    const std::string what = "dtype " + std::to_string(dtype) + " count " + std::to_string(count)
                             + (form == Form::Started ? " started" : "");
    for (const int32_t operation : {KVS_SUM, KVS_MAX, KVS_MIN}) {
        const std::string reduction = what + " operation " + std::to_string(operation);
        std::vector<T> data(count + 1, from_double<T>(-1));
        for (int64_t i = 0; i < count; i++) data[i] = from_double<T>(rank + i);
        run(form, "all_reduce " + reduction, [&] { return kvs_all_reduce(group, dtype, operation, data.data(), count); },
            [&](kvs_work** work) { return kvs_all_reduce_start(group, dtype, operation, data.data(), count, work); });
        expect_elements(data, 0, count, "all_reduce " + reduction, [&](int64_t i) { return reduced(operation, i); });

        if (form == Form::Started) continue;
        std::vector<T> parts(count * size + 1, from_double<T>(-1)), own(count + 1, from_double<T>(-1));
        for (int p = 0; p < size; p++)
            for (int64_t i = 0; i < count; i++) parts[p * count + i] = from_double<T>(rank + i + 10 * p);
        const auto wanted = [&](int64_t i) { return reduced(operation, i + 10.0 * rank); };
        ok(kvs_reduce_scatter(group, dtype, operation, parts.data(), own.data(), count), "reduce_scatter " + reduction);
        expect_elements(own, 0, count, "reduce_scatter " + reduction, wanted);
        ok(kvs_reduce_scatter(group, dtype, operation, parts.data(), parts.data() + rank * count, count), "reduce_scatter in place " + reduction);
        expect_elements(parts, rank * count, count, "reduce_scatter in place " + reduction, wanted);
        for (int p = 0; p < size; p++)
            if (p != rank)
                expect_elements(parts, p * count, count, "the rest of a reduce_scatter in place", [&](int64_t i) { return rank + i + 10.0 * p; });
    }
    if (form == Form::Started) return;

    std::vector<T> input(count), gathered(count * size + 1, from_double<T>(-1)), in_place(count * size + 1, from_double<T>(-1));
    for (int64_t i = 0; i < count; i++) input[i] = in_place[rank * count + i] = from_double<T>(i + 10 * rank);
    ok(kvs_all_gather(group, dtype, input.data(), gathered.data(), count), "all_gather " + what);
    ok(kvs_all_gather(group, dtype, in_place.data() + rank * count, in_place.data(), count), "all_gather in place " + what);
    for (int p = 0; p < size; p++) {
        const auto wanted = [&](int64_t i) { return i + 10.0 * p; };
        expect_elements(gathered, p * count, count, "all_gather " + what, wanted);
        expect_elements(in_place, p * count, count, "all_gather in place " + what, wanted);
    }

    for (int root = 0; root < size; root++) {
        std::vector<T> data(count + 1, from_double<T>(-1));
        for (int64_t i = 0; i < count; i++) data[i] = from_double<T>(i + 10 * rank);
        ok(kvs_broadcast(group, dtype, data.data(), count, root), "broadcast " + what);
        expect_elements(data, 0, count, "broadcast " + what, [&](int64_t i) { return i + 10.0 * root; });
    }
}

// Round the ring of ranks, to the next and from the one before: blocking with one rank that begins, and both ways at once.
template <typename T>
void test_messages(kvs_group* group, int32_t dtype, int64_t count) {
    const int next = (rank + 1) % size, before = (rank + size - 1) % size;
    const std::string what = "dtype " + std::to_string(dtype) + " count " + std::to_string(count);
    const auto made = [&](int from) {
        std::vector<T> data(count + 1, from_double<T>(-1));
        for (int64_t i = 0; i < count; i++) data[i] = from_double<T>(i % 61 + 61 * from);
        return data;
    };
    std::vector<T> own = made(rank), forward(count + 1, from_double<T>(-1)), backward(count + 1, from_double<T>(-1));
    const auto receive = [&] { ok(kvs_receive(group, dtype, forward.data(), count, before), "receive " + what); };
    if (rank == 0) receive();
    ok(kvs_send(group, dtype, own.data(), count, next), "send " + what);
    if (rank != 0) receive();
    const std::vector<T> of_before = made(before), of_next = made(next);
    expect_elements(forward, 0, count, "message " + what, [&](int64_t i) { return to_double(of_before[i]); });

    std::fill(forward.begin(), forward.end(), from_double<T>(-1));
    kvs_work* works[4];
    ok(kvs_receive_start(group, dtype, forward.data(), count, before, &works[0]), "receive_start " + what);
    ok(kvs_send_start(group, dtype, own.data(), count, next, &works[1]), "send_start " + what);
    ok(kvs_send_start(group, dtype, own.data(), count, before, &works[2]), "send_start backward " + what);
    ok(kvs_receive_start(group, dtype, backward.data(), count, next, &works[3]), "receive_start backward " + what);
    for (int32_t done = 0; done == 0;) ok(kvs_test_for(works[3], 200, &done), "kvs_test_for " + what);
    for (kvs_work* work : works) ok(kvs_wait(work), "kvs_wait " + what);
    expect_elements(forward, 0, count, "started message " + what, [&](int64_t i) { return to_double(of_before[i]); });
    // Of two ranks both messages come from the same one.
    expect_elements(backward, 0, count, "started message backward " + what, [&](int64_t i) { return to_double(of_next[i]); });
}

void test_every_message(kvs_group* group) {
    if (size == 1) return;
    for (const int64_t count : {int64_t{0}, int64_t{1}, int64_t{7}, int64_t{14}, int64_t{53}, kSplitsEverything ? int64_t{54} : int64_t{600001}}) {
        test_messages<float>(group, KVS_FLOAT32, count);
        test_messages<double>(group, KVS_FLOAT64, count);
        test_messages<int32_t>(group, KVS_INT32, count);
        test_messages<int64_t>(group, KVS_INT64, count);
    }
    // Of two ranks: 61 + 60 is exact.
    if (size == 2) test_messages<BFloat16>(group, KVS_BFLOAT16, 53);
}

// Rank 1 wants something else than rank 0 sends, and is told what that is; a message after it is received as if nothing had been.
void test_message_mismatches(kvs_group* group) {
    if (size != 2) return;
    struct Case {
        int32_t sent_dtype, wanted_dtype;
        int64_t sent, wanted;
        const char* text;
    };
    const std::vector<Case> cases = {
        {KVS_INT32, KVS_INT32, 2, 5, "receive of 5 int32 from rank 0: it sent 2 int32"},
        {KVS_INT32, KVS_INT32, 0, 1, "receive of 1 int32 from rank 0: it sent 0 int32"},
        {KVS_INT32, KVS_INT32, 5, 2, "receive of 2 int32 from rank 0: it sent more: "},
        {KVS_INT32, KVS_INT32, 1, 0, "receive of 0 int32 from rank 0: it sent more: "},
        {KVS_INT32, KVS_FLOAT32, 3, 3, "receive of 3 float32 from rank 0: it sent 3 int32"},
        {KVS_FLOAT64, KVS_INT64, 3, 3, "receive of 3 int64 from rank 0: it sent 3 float64"},
    };
    std::vector<int64_t> data(32);
    const auto failed = [&](int32_t status, const char* text) {
        const std::string found = kvs_collectives_last_error(), wanted = std::string("rank 1 of 2: ") + text;
        expect(status == KVS_MPI_ERROR && found.compare(0, wanted.size(), wanted) == 0, "found '" + found + "', wanted '" + wanted + "'");
    };
    for (const Case& at : cases) {
        for (const Form form : {Form::Blocking, Form::Started}) {
            if (rank == 0) {
                ok(kvs_send(group, at.sent_dtype, data.data(), at.sent, 1), "a message that nobody wants");
                continue;
            }
            if (form == Form::Blocking) {
                failed(kvs_receive(group, at.wanted_dtype, data.data(), at.wanted, 0), at.text);
                continue;
            }
            kvs_work* work = nullptr;
            ok(kvs_receive_start(group, at.wanted_dtype, data.data(), at.wanted, 0, &work), "receive_start of something else");
            failed(kvs_wait(work), at.text);
        }
    }
    // In pieces of seven the first of two is whole, and not the last.
    if (kSplitsEverything) {
        if (rank == 0) {
            ok(kvs_send(group, KVS_INT32, data.data(), 14, 1), "two pieces");
        } else {
            failed(kvs_receive(group, KVS_INT32, data.data(), 7, 0), "receive of 7 int32 from rank 0: it sent 7 int32 and more");
            failed(kvs_receive(group, KVS_INT32, data.data(), 14, 0), "receive of 14 int32 from rank 0: it sent 7 int32");
        }
        // Of a started one the second piece waits for what does not come; it may not take the next message.
        if (rank == 0) {
            ok(kvs_send(group, KVS_INT32, data.data(), 7, 1), "one piece");
        } else {
            kvs_work* work = nullptr;
            ok(kvs_receive_start(group, KVS_INT32, data.data(), 14, 0, &work), "receive_start of two pieces");
            failed(kvs_wait(work), "receive of 14 int32 from rank 0: it sent 7 int32");
        }
    }
    test_messages<float>(group, KVS_FLOAT32, 3);
}

void test_every_type(kvs_group* group) {
    for (const Form form : {Form::Blocking, Form::Started})
        for (const int64_t count : {0, 1, 2, 3, 17, 53}) {
            test_collectives<float>(group, KVS_FLOAT32, count, form);
            test_collectives<double>(group, KVS_FLOAT64, count, form);
            // Of four ranks sums of 53 elements go beyond 256.
            if (size < 4 || count < 53) test_collectives<BFloat16>(group, KVS_BFLOAT16, count, form);
            test_collectives<int32_t>(group, KVS_INT32, count, form);
            test_collectives<int64_t>(group, KVS_INT64, count, form);
        }
}

// Several tiles of a blocking reduction and of a started one. Every sum is the same in any order: whole, below 2^24.
void test_large_buffers(kvs_group* group) {
    const int64_t count = 1500001;
    for (const Form form : {Form::Blocking, Form::Started}) {
        test_collectives<float>(group, KVS_FLOAT32, count, form);
        std::vector<BFloat16> data(count + 1, from_double<BFloat16>(-1));
        for (int64_t i = 0; i < count; i++) data[i] = from_double<BFloat16>(rank + i % 64);
        run(form, "large bfloat16", [&] { return kvs_all_reduce(group, KVS_BFLOAT16, KVS_SUM, data.data(), count); },
            [&](kvs_work** work) { return kvs_all_reduce_start(group, KVS_BFLOAT16, KVS_SUM, data.data(), count, work); });
        expect_elements(data, 0, count, "large bfloat16", [&](int64_t i) { return reduced(KVS_SUM, i % 64); });
    }
}

// Integers beyond 2^53 are summed as integers.
void test_wide_integers(kvs_group* group) {
    const int64_t base = int64_t{1} << 60;
    int64_t value = rank == 0 ? base + 1 : 1;
    ok(kvs_all_reduce(group, KVS_INT64, KVS_SUM, &value, 1), "all_reduce of a wide integer");
    expect(value == base + size, "2^60 + 1 and ones sum to " + std::to_string(value));
}

// 256 on rank 0 and 1 elsewhere: in bfloat16 each 256 + 1 would round back to 256 (its step there is 2), in float32 the sum
// is 256 + n - 1, rounded once: 257 ties to 256 (even), 258 is exact, 259 ties to 260 (even).
void test_bfloat16_rounds_once(kvs_group* group) {
    const uint16_t wanted[] = {0, 0x4380, 0x4380, 0x4381, 0x4382};
    for (const Form form : {Form::Blocking, Form::Started}) {
        uint16_t value = rank == 0 ? 0x4380 : 0x3f80;
        run(form, "bfloat16 rounding", [&] { return kvs_all_reduce(group, KVS_BFLOAT16, KVS_SUM, &value, 1); },
            [&](kvs_work** work) { return kvs_all_reduce_start(group, KVS_BFLOAT16, KVS_SUM, &value, 1, work); });
        expect(value == wanted[size], "256 and ones sum to bits " + std::to_string(value));
    }
    if (size == 1) return;
    uint16_t odd = rank == 0 ? 0x4381 : rank == 1 ? 0x3f80 : 0x0000;
    ok(kvs_all_reduce(group, KVS_BFLOAT16, KVS_SUM, &odd, 1), "tie above an odd value");
    expect(odd == 0x4382, "258 + 1 ties up to 260, found bits " + std::to_string(odd));
    uint16_t infinity = rank == 0 ? 0x7f80 : 0x3f80;
    ok(kvs_all_reduce(group, KVS_BFLOAT16, KVS_SUM, &infinity, 1), "infinity");
    expect(infinity == 0x7f80, "infinity and ones sum to bits " + std::to_string(infinity));
    uint16_t overflow = 0x7f7f;
    ok(kvs_all_reduce(group, KVS_BFLOAT16, KVS_SUM, &overflow, 1), "overflow");
    expect(overflow == 0x7f80, "the largest bfloat16 twice is infinite, found bits " + std::to_string(overflow));
    uint16_t nan = rank == 0 ? 0x7f81 : 0x3f80;
    ok(kvs_all_reduce(group, KVS_BFLOAT16, KVS_SUM, &nan, 1), "not a number");
    expect((nan & 0x7f80) == 0x7f80 && (nan & 0x007f) != 0, "a NaN became bits " + std::to_string(nan));
}

// Two operations at once, waited for in the other order than started.
void test_two_at_once(kvs_group* group) {
    std::vector<float> sum(100, static_cast<float>(rank));
    std::vector<int32_t> largest(33, rank);
    kvs_work* first = nullptr;
    kvs_work* second = nullptr;
    ok(kvs_all_reduce_start(group, KVS_FLOAT32, KVS_SUM, sum.data(), 100, &first), "first of two");
    ok(kvs_all_reduce_start(group, KVS_INT32, KVS_MAX, largest.data(), 33, &second), "second of two");
    ok(kvs_wait(second), "wait for the second");
    ok(kvs_wait(first), "wait for the first");
    for (const float value : sum) expect(value == size * (size - 1) / 2.0f, "sum of ranks is " + std::to_string(value));
    for (const int32_t value : largest) expect(value == size - 1, "largest rank is " + std::to_string(value));
}

// Even and odd ranks apart, each in descending order; then rank 0 alone and nobody else.
void test_split(kvs_group* world) {
    kvs_group* group = nullptr;
    ok(kvs_group_split(world, rank % 2, -rank, &group), "split");
    int32_t group_rank = -1, group_size = -1;
    ok(kvs_group_rank(group, &group_rank), "rank in the split group");
    ok(kvs_group_size(group, &group_size), "size of the split group");
    int members = 0, after_me = 0;
    for (int other = rank % 2; other < size; other += 2) {
        members++;
        if (other > rank) after_me++;
    }
    expect(group_size == members, "split group has " + std::to_string(group_size) + " ranks");
    expect(group_rank == after_me, "split rank is " + std::to_string(group_rank));
    int32_t sum = rank, wanted = 0;
    for (int other = rank % 2; other < size; other += 2) wanted += other;
    ok(kvs_all_reduce(group, KVS_INT32, KVS_SUM, &sum, 1), "sum in the split group");
    expect(sum == wanted, "sum in the split group is " + std::to_string(sum));
    ok(kvs_group_free(group), "free the split group");

    kvs_group* alone = group;
    ok(kvs_group_split(world, rank == 0 ? 0 : -1, 0, &alone), "split off rank 0");
    expect((alone != nullptr) == (rank == 0), "only rank 0 is in the group of color 0");
    if (alone != nullptr) {
        int64_t value = 7;
        ok(kvs_all_reduce(alone, KVS_INT64, KVS_SUM, &value, 1), "sum of one rank");
        expect(value == 7, "the sum of one rank is " + std::to_string(value));
        ok(kvs_group_free(alone), "free the group of one");
    }
}

void test_refusals(kvs_group* group) {
    float data[8] = {};
    kvs_work* work = nullptr;
    const std::string who = "rank " + std::to_string(rank) + " of " + std::to_string(size) + ": ";
    expect_refused(kvs_all_reduce(group, KVS_FLOAT32, KVS_SUM, data, -3),
                   who + "all_reduce of -3 float32 (sum): the count is negative; pass 0 or more elements");
    expect_refused(kvs_all_reduce(group, 17, KVS_SUM, data, 4),
                   who + "all_reduce of 4 elements of dtype 17 (sum): there is no such dtype; pass a value of kvs_dtype");
    expect_refused(kvs_all_reduce(group, KVS_INT64, 9, data, 1),
                   who + "all_reduce of 1 int64 (operation 9): there is no such operation; pass a value of kvs_reduce_op");
    expect_refused(kvs_all_reduce(group, KVS_FLOAT32, KVS_MAX, nullptr, 1), who + "all_reduce of 1 float32 (max): data is null");
    expect_refused(kvs_all_reduce_start(group, KVS_FLOAT32, KVS_MIN, nullptr, 1, &work),
                   who + "all_reduce of 1 float32 (min): data is null");
    expect_refused(kvs_all_reduce(nullptr, KVS_FLOAT32, KVS_SUM, data, 1), "all_reduce: group is null");
    expect_refused(kvs_all_reduce_start(group, KVS_FLOAT32, KVS_SUM, data, 1, nullptr), "all_reduce: work is null");
    expect_refused(kvs_reduce_scatter(group, KVS_FLOAT32, KVS_SUM, data, reinterpret_cast<char*>(data) + 1, 1),
                   who + "reduce_scatter of 1 float32 (sum): input and output overlap; pass separate buffers");
    expect_refused(kvs_all_gather(group, KVS_FLOAT32, reinterpret_cast<char*>(data) + 1, data, 1),
                   who + "all_gather of 1 float32: input overlaps output without being this rank's own part of it; pass that part"
                         " or a separate buffer");
    expect_refused(kvs_broadcast(group, KVS_FLOAT64, data, 1, size),
                   who + "broadcast of 1 float64 from rank " + std::to_string(size)
                       + ": there is no such root; pass a rank from 0 to " + std::to_string(size - 1));
    expect_refused(kvs_broadcast(group, KVS_INT32, data, 1, -1),
                   who + "broadcast of 1 int32 from rank -1: there is no such root; pass a rank from 0 to " + std::to_string(size - 1));
    for (const int32_t nobody : {-1, rank, size}) {
        const std::string text = ": there is no such rank to talk to; pass one from 0 to " + std::to_string(size - 1) + " but this one";
        expect_refused(kvs_send(group, KVS_INT32, data, 1, nobody), who + "send of 1 int32 to rank " + std::to_string(nobody) + text);
        expect_refused(kvs_receive_start(group, KVS_INT32, data, 1, nobody, &work), who + "receive of 1 int32 from rank " + std::to_string(nobody) + text);
    }
    expect_refused(kvs_all_reduce(group, KVS_FLOAT32, KVS_SUM, data, std::numeric_limits<int64_t>::max()),
                   who + "all_reduce of 9223372036854775807 float32 (sum): the count is beyond any memory; pass elements, not bytes");
    expect_refused(kvs_barrier(nullptr), "barrier: group is null");
    expect_refused(kvs_group_free(nullptr), "kvs_group_free: group is null");
    expect_refused(kvs_wait(nullptr), "kvs_wait: work is null");
    expect_refused(kvs_world(nullptr), "kvs_world: group is null");
}

// The same through shared memory, behind which MPI still does what that does not.
void test_shared_memory(kvs_group* world) {
    kvs_group* group = nullptr;
    ok(kvs_group_split(world, 0, rank, &group), "split for shared memory");
    int32_t shared = -1;
    ok(kvs_group_share_memory(group, &shared), "share memory");
    expect(shared == (size > 1 ? 1 : 0), "ranks of one machine share memory: " + std::to_string(shared));
    test_every_type(group);
    if (!kSplitsEverything) test_large_buffers(group);

    // Thirds are not exact, so the order of the sum shows: that of the ranks, whichever comes first.
    std::vector<float> data(1000), wanted(1000);
    for (int turn = 0; turn < 3; turn++) {
        for (int i = 0; i < 1000; i++) {
            data[i] = static_cast<float>(i + 1) / 3 * static_cast<float>(rank + 1);
            wanted[i] = static_cast<float>(i + 1) / 3;
            for (int r = 1; r < size; r++) wanted[i] += static_cast<float>(i + 1) / 3 * static_cast<float>(r + 1);
        }
        if (rank == turn % size) usleep(20000);
        ok(kvs_all_reduce(group, KVS_FLOAT32, KVS_SUM, data.data(), 1000), "late rank");
        expect(data == wanted, "a sum in the order of the ranks");
    }
    ok(kvs_barrier(group), "barrier before the end of shared memory");

    if (size == 2) {
        const int32_t status = kvs_all_reduce(group, KVS_FLOAT32, KVS_SUM, data.data(), rank == 0 ? 7 : 5);
        const std::string text = kvs_collectives_last_error();
        expect(status == KVS_MPI_ERROR, "counts that differ gave status " + std::to_string(status));
        expect(text.find("came with another operation, count or dtype") != std::string::npos, "found '" + text + "'");
    }
    ok(kvs_group_free(group), "free the group with shared memory");
}

// Mappings of this process whose file has that name.
int mappings(const std::string& name) {
    std::ifstream maps("/proc/self/maps");
    int found = 0;
    for (std::string line; std::getline(maps, line);) found += line.find(name) != std::string::npos ? 1 : 0;
    return found;
}

// Thirds are not exact, so that the order of a sum shows. A rank adds something of its own to each.
template <typename T>
T third(int64_t i, int r) {
    return static_cast<T>(i % 1013 + 1) / 3 * static_cast<T>(r + 1);
}

template <typename T>
void test_sums_in_area(kvs_group* group, int32_t dtype, T* area, int64_t first, int64_t count) {
    const std::string what = "dtype " + std::to_string(dtype) + " count " + std::to_string(count) + " at " + std::to_string(first);
    std::vector<T> copy(count * size), part(count), wanted(count * size);
    for (int64_t i = 0; i < count * size; i++) {
        wanted[i] = third<T>(i, 0);
        for (int r = 1; r < size; r++) wanted[i] += third<T>(i, r);
    }
    const auto fill = [&](T* to) {
        for (int64_t i = 0; i < count * size; i++) to[i] = third<T>(i, rank);
    };
    T* const data = area + first;
    const auto expect_sum = [&](const T* found, const T* sum, int64_t elements, const std::string& text) {
        checks++;
        if (elements > 0 && std::memcmp(found, sum, elements * sizeof(T)) != 0) fail(text + " " + what);
    };

    area[first - 1] = data[count * size] = -7;
    fill(data);
    fill(copy.data());
    ok(kvs_all_reduce(group, dtype, KVS_SUM, data, count * size), "all_reduce in the area " + what);
    ok(kvs_all_reduce(group, dtype, KVS_SUM, copy.data(), count * size), "all_reduce through chunks " + what);
    expect_sum(data, wanted.data(), count * size, "all_reduce in the area");
    expect_sum(data, copy.data(), count * size, "all_reduce in the area and through chunks");

    // What is not this rank's part stays.
    fill(data);
    fill(copy.data());
    ok(kvs_reduce_scatter(group, dtype, KVS_SUM, data, data + rank * count, count), "reduce_scatter in the area " + what);
    expect_sum(data + rank * count, wanted.data() + rank * count, count, "reduce_scatter in the area");
    for (int64_t i = 0; i < count * size; i++)
        if (i / count != rank && data[i] != third<T>(i, rank)) fail("reduce_scatter in the area wrote to another part " + what);
    fill(data);
    ok(kvs_reduce_scatter(group, dtype, KVS_SUM, data, part.data(), count), "reduce_scatter out of the area " + what);
    expect_sum(part.data(), wanted.data() + rank * count, count, "reduce_scatter out of the area");
    ok(kvs_reduce_scatter(group, dtype, KVS_SUM, copy.data(), copy.data() + rank * count, count), "reduce_scatter in place " + what);
    expect_sum(copy.data() + rank * count, wanted.data() + rank * count, count, "reduce_scatter in place");
    if (area[first - 1] != -7 || data[count * size] != -7) fail("a sum in the area wrote beyond its buffer " + what);
}

void test_shared_area(kvs_group* world) {
    constexpr int64_t bytes = 8 << 20;
    const int before = mappings("memfd:kvshift");
    kvs_group* group = nullptr;
    int32_t file = -1, shared = -1;
    ok(kvs_group_split(world, 0, rank, &group), "split for a shared area");
    ok(kvs_shared_file(bytes, &file), "file of a shared area");
    void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    expect(file >= 0 && memory != MAP_FAILED, "a file of shared memory is mapped");
    ok(kvs_group_share_area(group, file, memory, bytes, &shared), "an area of a group without shared memory");
    expect(shared == 0, "a group that goes through MPI has no area");
    ok(kvs_group_share_memory(group, &shared), "share memory");
    if (size > 1) {
        // All or none: one rank has none, one a longer one, one says that another process's file is its own.
        ok(kvs_group_share_area(group, rank == size - 1 ? -1 : file, memory, bytes, &shared), "an area that one rank lacks");
        expect(shared == 0, "no rank has an area that one lacks");
        ok(kvs_group_share_area(group, file, memory, rank == 0 ? bytes / 2 : bytes, &shared), "an area that is shorter on one rank");
        expect(shared == 0, "no rank has an area that is shorter on one");
        int32_t other = -1;
        ok(kvs_shared_file(bytes, &other), "another file");
        ok(kvs_group_share_area(group, rank == 0 ? other : file, memory, bytes, &shared), "a file that is not what is mapped");
        expect(shared == 0, "no rank takes another file for the area");
        close(other);
        expect(mappings("memfd:kvshift") == before + 1, "what was not agreed on is not mapped");
    }
    ok(kvs_group_share_area(group, file, memory, bytes, &shared), "share an area");
    expect(shared == (size > 1 ? 1 : 0), "ranks of one machine share an area: " + std::to_string(shared));
    close(file);
    expect(mappings("memfd:kvshift") == before + size, "the areas of all ranks are mapped");
    for (int64_t i = 0; i < bytes / 8; i++)
        if (static_cast<int64_t*>(memory)[i] != 0) fail("a new area is not zero");
    if (size > 1) {
        for (const int64_t count : {0, 1, 2, 3, 17, 1024, 1025, 5003, 100003}) {
            test_sums_in_area<float>(group, KVS_FLOAT32, static_cast<float*>(memory), 1 + count % 3, count);
            test_sums_in_area<double>(group, KVS_FLOAT64, static_cast<double*>(memory), 1 + count % 3, count);
        }
        // Other types and operations in the area, and buffers that begin or end outside it.
        auto* const integers = static_cast<int32_t*>(memory);
        for (int i = 0; i < 9; i++) integers[i] = rank + i;
        ok(kvs_all_reduce(group, KVS_INT32, KVS_SUM, integers, 9), "integers in the area");
        for (int i = 0; i < 9; i++) expect(integers[i] == reduced(KVS_SUM, i), "a sum of integers in the area");
        auto* const floats = static_cast<float*>(memory);
        for (int i = 0; i < 9; i++) floats[i] = static_cast<float>(rank + i);
        ok(kvs_all_reduce(group, KVS_FLOAT32, KVS_MAX, floats, 9), "maximum in the area");
        for (int i = 0; i < 9; i++) expect(floats[i] == reduced(KVS_MAX, i), "a maximum in the area");
        ok(kvs_barrier(group), "barrier before the end of the area");
        if (size == 2) {
            const int32_t status = kvs_all_reduce(group, KVS_FLOAT32, KVS_SUM, floats + 16 * rank, 64);
            const std::string text = kvs_collectives_last_error();
            const std::string wanted = "rank " + std::to_string(rank) + " of 2: all_reduce of 64 float32 (sum) at byte " + std::to_string(64 * rank)
                                       + " of shared memory: rank " + std::to_string(1 - rank)
                                       + " of the group came with another operation, count or dtype, or at another place";
            expect(status == KVS_MPI_ERROR && text == wanted, "found '" + text + "', wanted '" + wanted + "'");
        }
    }
    ok(kvs_group_free(group), "free the group with an area");
    expect(mappings("memfd:kvshift") == before + 1, "areas of other ranks are gone with the group");
    munmap(memory, bytes);
}

// Rank 1 expects fewer elements than rank 0 sends, in a group that is not used again. Of two ranks: with more, one that
// fails passes nothing on, and those behind it wait for ever.
void test_mismatch(kvs_group* world) {
    if (size != 2) return;
    kvs_group* group = nullptr;
    ok(kvs_group_split(world, 0, 0, &group), "split for the mismatch");
    std::vector<int32_t> data(7, rank);
    const int32_t status = kvs_broadcast(group, KVS_INT32, data.data(), rank == 0 ? 7 : 2, 0);
    if (rank == 1) {
        const std::string text = kvs_collectives_last_error();
        const std::string who = "rank 1 of 2: broadcast of 2 int32 from rank 0: ";
        expect(status == KVS_MPI_ERROR, "a truncated broadcast gave status " + std::to_string(status));
        expect(text.compare(0, who.size(), who) == 0, "found '" + text + "', wanted '" + who + "...'");
        expect(text.find("runcate", who.size()) != std::string::npos, "found '" + text + "', wanted MPI's word of a truncation");
    }
    ok(kvs_barrier(world), "barrier after the mismatch");
    ok(kvs_group_free(group), "free the mismatched group");
}

}  // namespace

int main() {
    kvs_group* world = nullptr;
    ok(kvs_world(&world), "kvs_world");
    ok(kvs_group_rank(world, &rank), "kvs_group_rank");
    ok(kvs_group_size(world, &size), "kvs_group_size");
    const char* launched = std::getenv("OMPI_COMM_WORLD_SIZE");
    if (launched == nullptr) launched = std::getenv("PMI_SIZE");
    if (launched != nullptr) expect(size == std::atoi(launched), "the world has " + std::to_string(size) + " ranks");

    test_every_type(world);
    if (!kSplitsEverything) test_large_buffers(world);
    test_wide_integers(world);
    test_bfloat16_rounds_once(world);
    test_two_at_once(world);
    test_split(world);
    test_refusals(world);
    test_every_message(world);
    test_message_mismatches(world);
    test_shared_memory(world);
    test_shared_area(world);
    ok(kvs_barrier(world), "barrier");
    test_mismatch(world);

    ok(kvs_group_free(world), "free the world");
    if (rank == 0) std::printf("%d checks on each of %d ranks passed\n", checks, size);
    return 0;
}
