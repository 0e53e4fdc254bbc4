# libkvshift. Kernel sources under src/kernels are compiled once for each instruction set and chosen at load.
find_package(MPI REQUIRED COMPONENTS CXX)
find_package(OpenMP REQUIRED COMPONENTS CXX)
find_library(DNNL_LIBRARY NAMES dnnl)
find_path(DNNL_INCLUDE oneapi/dnnl/dnnl.h)

file(GLOB COLLECTIVE_SOURCES CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/src/collectives/*.cpp)
add_library(kvshift SHARED src/memory.cpp src/status.cpp ${COLLECTIVE_SOURCES})
target_include_directories(kvshift PUBLIC include PRIVATE src)
target_compile_options(kvshift PRIVATE -Wall -Wextra -Werror -O3)
target_link_libraries(kvshift PRIVATE MPI::MPI_CXX OpenMP::OpenMP_CXX)

include(src/kernels/kernels.cmake OPTIONAL)

if(KVSHIFT_BUILD_TESTS)
    add_subdirectory(tests)
endif()
