# libkvshift: the kernels, without MPI. Sources under src/kernels are compiled once for each instruction set and chosen at load.
find_package(OpenMP REQUIRED COMPONENTS CXX)
find_library(DNNL_LIBRARY NAMES dnnl)
find_path(DNNL_INCLUDE oneapi/dnnl/dnnl.h)

add_library(kvshift SHARED src/memory.cpp src/status.cpp)
target_include_directories(kvshift PUBLIC include PRIVATE src)
target_compile_options(kvshift PRIVATE -Wall -Wextra -Werror -O3)
target_link_libraries(kvshift PRIVATE OpenMP::OpenMP_CXX)
# A bundle has oneDNN and OpenMP beside it; else the system's are found.
set_target_properties(kvshift PROPERTIES BUILD_RPATH "$ORIGIN")

include(src/kernels/kernels.cmake OPTIONAL)
