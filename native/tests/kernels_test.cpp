// kernels_test GROUP: compares the kernels of one group with scalar float64 references written here, and prints how many checks
// passed. The instruction set is the one that KVSHIFT_ISA names; where the processor lacks it the program exits with 77 (skipped).
#include "kernels_test.h"

#include <cstdlib>

namespace {

struct Group {
    const char* name;
    void (*run)(kernels_test::Checks&);
};

constexpr Group groups[] = {
    {"rms_norm", kernels_test::test_rms_norm},           {"shift_rope", kernels_test::test_shift_rope},
    {"attention", kernels_test::test_attention},         {"swiglu", kernels_test::test_swiglu},
    {"cross_entropy", kernels_test::test_cross_entropy}, {"embedding", kernels_test::test_embedding},
    {"cross_entropy_part", kernels_test::test_cross_entropy_part},
    {"optimizer", kernels_test::test_optimizer},         {"matmul", kernels_test::test_matmul},
    {"arguments", kernels_test::test_arguments},
};

constexpr int skipped = 77;

// 0 where the kernels run with the instruction set that was asked for.
int check_isa(const char* wanted) {
    double sum = 0;
    const float one = 1;
    const int32_t status = kvs_sum_of_squares(KVS_FLOAT32, 1, &one, &sum);
    if (status != KVS_OK) {
        const std::string text = kvs_last_error();
        std::printf("%s\n", text.c_str());
        return text.find("which this processor does not have") == std::string::npos ? 1 : skipped;
    }
    if (wanted != nullptr && std::strcmp(wanted, kvs_kernel_isa()) != 0) {
        std::fprintf(stderr, "FAILED: KVSHIFT_ISA is %s but the kernels chose %s\n", wanted, kvs_kernel_isa());
        return 1;
    }
    return 0;
}

}  // namespace

int main(int argument_count, char** arguments) {
    if (const int status = check_isa(std::getenv("KVSHIFT_ISA")); status != 0) return status;
    const std::string wanted = argument_count > 1 ? arguments[1] : "";
    kernels_test::Checks checks;
    for (const Group& group : groups) {
        if (wanted.empty() || wanted == group.name) group.run(checks);
    }
    std::printf("%s on %s: %d checks passed, %d failed\n", wanted.empty() ? "all groups" : wanted.c_str(), kvs_kernel_isa(),
                checks.passed, checks.failed);
    return checks.failed == 0 && checks.passed > 0 ? 0 : 1;
}
