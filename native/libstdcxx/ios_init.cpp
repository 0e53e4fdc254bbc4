// libstdc++ 13 moved the start of the standard streams out of each translation unit into the library, as a function that code built with
// GCC 13 calls. An older libstdc++ has no such function; this is it, for libLibTorchSharp.so, and loaded before it (src/Parallel/Native/Libtorch.cs).
#include <iostream>

extern "C" __attribute__((visibility("default"))) void kvshift_ios_init() __asm__("_ZSt21ios_base_library_initv");

extern "C" void kvshift_ios_init() {
    static std::ios_base::Init streams;
}
