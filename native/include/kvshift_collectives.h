// libkvshift_collectives: collectives and messages over host memory, built once for each MPI. Rules of kvshift.h; texts of failures are in
// kvs_collectives_last_error(), as this library is another one than that of the kernels.
#ifndef KVSHIFT_COLLECTIVES_H
#define KVSHIFT_COLLECTIVES_H

#include "kvshift.h"

#if defined(__cplusplus)
extern "C" {
#endif

// KVS_ABI_VERSION of the header that the library was built with.
KVS_API int32_t kvs_collectives_abi_version(void);

// As kvs_last_error, of the functions below.
KVS_API const char* kvs_collectives_last_error(void);

// What the MPI behind the library calls itself (MPI_Get_library_version), in one line of UTF-8; valid for ever. MPI need not be under way.
KVS_API int32_t kvs_mpi_name(const char** name);

// The table that libkvshift_msmpi takes (src/msmpi/calls.h).
KVS_API const void* kvs_msmpi_calls(void);

enum kvs_reduce_op { KVS_SUM = 0, KVS_MAX = 1, KVS_MIN = 2 };

typedef struct kvs_group kvs_group;
typedef struct kvs_work kvs_work;

// Uses an MPI that is already initialised (MPI.NET) or initialises it with MPI_THREAD_SERIALIZED.
KVS_API int32_t kvs_world(kvs_group** group);

// Ranks with the same color form a group, ordered by key. color < 0: in none, *group becomes null. Collective over parent.
KVS_API int32_t kvs_group_split(kvs_group* parent, int32_t color, int32_t key, kvs_group** group);
KVS_API int32_t kvs_group_free(kvs_group* group);
// Lets blocking sums of float32 and float64, and blocking gathers, go through memory that the ranks share, where all are on one machine
// that has room for it: *shared is 1 then, on every rank. Ranks that wait there sleep instead of spinning. Collective.
KVS_API int32_t kvs_group_share_memory(kvs_group* group, int32_t* shared);
// A descriptor of anonymous memory of that many bytes, all of them taken, to be mapped and closed by the caller; *file is -1 where there is
// no room.
KVS_API int32_t kvs_shared_file(int64_t bytes, int32_t* file);
// data [bytes] is where the caller has mapped all of such a file (MAP_SHARED). From now on blocking sums over buffers that lie in it, on
// every rank at the same place, need no copies: *shared is 1 then. It is 0 on every rank, and nothing is changed, in groups that share no
// memory, and where some rank has no file (-1), another size, or no access to those of others. A group has one area, the newest, which stays
// mapped as long as the group communicates; its first 8 bytes become 0. Collective.
KVS_API int32_t kvs_group_share_area(kvs_group* group, int32_t file, void* data, int64_t bytes, int32_t* shared);
KVS_API int32_t kvs_group_rank(const kvs_group* group, int32_t* rank);
KVS_API int32_t kvs_group_size(const kvs_group* group, int32_t* size);

// In place over count elements. bfloat16 is summed in float32 and rounded once at the end.
KVS_API int32_t kvs_all_reduce(kvs_group* group, int32_t dtype, int32_t operation, void* data, int64_t count);
// input [size * count] -> output [count]: rank r gets the sum of everybody's r-th part. output may be this rank's own part of input; they
// do not overlap otherwise.
KVS_API int32_t kvs_reduce_scatter(kvs_group* group, int32_t dtype, int32_t operation, const void* input, void* output,
                                   int64_t count);
// input [count] -> output [size * count], in rank order. input may be this rank's own part of output.
KVS_API int32_t kvs_all_gather(kvs_group* group, int32_t dtype, const void* input, void* output, int64_t count);
KVS_API int32_t kvs_broadcast(kvs_group* group, int32_t dtype, void* data, int64_t count, int32_t root);
KVS_API int32_t kvs_barrier(kvs_group* group);

// Messages from one rank of a group to another. Those from one rank to one other arrive in the order in which they were sent, and each has to be
// received with the element type and count that it was sent with: a receive of anything else fails, and names what was sent.
KVS_API int32_t kvs_send(kvs_group* group, int32_t dtype, const void* data, int64_t count, int32_t receiver);
KVS_API int32_t kvs_receive(kvs_group* group, int32_t dtype, void* data, int64_t count, int32_t sender);

// Non-blocking forms: the buffer belongs to the operation until kvs_wait, which frees work. kvs_test sets *done and does not.
KVS_API int32_t kvs_all_reduce_start(kvs_group* group, int32_t dtype, int32_t operation, void* data, int64_t count,
                                     kvs_work** work);
KVS_API int32_t kvs_send_start(kvs_group* group, int32_t dtype, const void* data, int64_t count, int32_t receiver, kvs_work** work);
KVS_API int32_t kvs_receive_start(kvs_group* group, int32_t dtype, void* data, int64_t count, int32_t sender, kvs_work** work);
KVS_API int32_t kvs_test(kvs_work* work, int32_t* done);
// As kvs_test, but looks again every 50 microseconds until the operation is done or the time is over.
KVS_API int32_t kvs_test_for(kvs_work* work, int64_t microseconds, int32_t* done);
KVS_API int32_t kvs_wait(kvs_work* work);

#if defined(__cplusplus)
}
#endif
#endif
