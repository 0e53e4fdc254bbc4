# The kernels of libkvshift. The sources in KERNEL_SOURCES are compiled once for each instruction set, in a namespace named after
# it; dispatch.cpp chooses at load. Run-time only choice: KVSHIFT_ISA=avx512|avx2|baseline in the environment (see dispatch.h).
set(KERNEL_DIRECTORY ${CMAKE_CURRENT_LIST_DIR})
set(KERNEL_SOURCES attention_backward.cpp attention_forward.cpp cross_entropy.cpp elementwise.cpp isa_kernels.cpp rms_norm.cpp
    shift_rope.cpp)
list(TRANSFORM KERNEL_SOURCES PREPEND ${KERNEL_DIRECTORY}/)

# NaN and infinity have to propagate, so no -ffast-math; errno and traps are never looked at.
set(KERNEL_OPTIONS -Wall -Wextra -Werror -O3 -fno-math-errno -fno-trapping-math -ffp-contract=fast)

function(kvshift_add_isa isa)
    add_library(kvshift_kernels_${isa} OBJECT ${KERNEL_SOURCES})
    target_compile_definitions(kvshift_kernels_${isa} PRIVATE KVSHIFT_ISA=${isa})
    target_compile_options(kvshift_kernels_${isa} PRIVATE ${KERNEL_OPTIONS} ${ARGN})
    target_include_directories(kvshift_kernels_${isa} PRIVATE ${KERNEL_DIRECTORY}/..)
    target_link_libraries(kvshift_kernels_${isa} PRIVATE OpenMP::OpenMP_CXX)
    set_target_properties(kvshift_kernels_${isa} PROPERTIES POSITION_INDEPENDENT_CODE ON CXX_VISIBILITY_PRESET hidden)
    target_sources(kvshift PRIVATE $<TARGET_OBJECTS:kvshift_kernels_${isa}>)
endfunction()

set(KVSHIFT_ISAS baseline)
kvshift_add_isa(baseline)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
    list(APPEND KVSHIFT_ISAS avx2 avx512)
    kvshift_add_isa(avx2 -mavx2 -mfma)
    kvshift_add_isa(avx512 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mprefer-vector-width=512)
    target_compile_definitions(kvshift PRIVATE KVSHIFT_HAVE_X86_ISAS)
endif()

target_sources(kvshift PRIVATE
    ${KERNEL_DIRECTORY}/api_attention.cpp
    ${KERNEL_DIRECTORY}/api_matmul.cpp
    ${KERNEL_DIRECTORY}/api_rows.cpp
    ${KERNEL_DIRECTORY}/api_status.cpp
    ${KERNEL_DIRECTORY}/dispatch.cpp
    ${KERNEL_DIRECTORY}/workspace.cpp)

if(DNNL_LIBRARY AND DNNL_INCLUDE)
    target_compile_definitions(kvshift PRIVATE KVSHIFT_HAVE_DNNL)
    target_include_directories(kvshift PRIVATE ${DNNL_INCLUDE})
    target_link_libraries(kvshift PRIVATE ${DNNL_LIBRARY})
else()
    message(STATUS "oneDNN was not found: kvs_matmul will report KVS_UNSUPPORTED")
endif()

option(KVSHIFT_BUILD_BENCH "Build the benchmark of the kernels" OFF)
if(KVSHIFT_BUILD_BENCH)
    add_subdirectory(bench)
endif()
