#include "status.h"

extern "C" int32_t kvs_abi_version(void) { return KVS_ABI_VERSION; }

extern "C" const char* kvs_last_error(void) { return kvshift::last_error(); }
