#include <malloc.h>

#include "status.h"

extern "C" int32_t kvs_retain_memory(void) {
    return kvshift::guarded([] {
#if defined(__GLIBC__)
        // Blocks below the first bound come from the heap and not from fresh mappings; the second keeps the top of the heap.
        constexpr int bound = 1 << 30;
        if (mallopt(M_MMAP_THRESHOLD, bound) == 0 || mallopt(M_TRIM_THRESHOLD, bound) == 0 || mallopt(M_TOP_PAD, 256 << 20) == 0) {
            throw kvshift::Error(KVS_INTERNAL_ERROR, "mallopt refused to keep freed memory");
        }
#endif
    });
}
