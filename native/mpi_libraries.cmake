# libkvshift_msmpi, which stands for msmpi.dll and is the same for every MPI, and what is built against MPI, once for each of KVSHIFT_MPIS and into a
# folder of its name: the collectives, with what libkvshift_msmpi does.
file(GLOB COLLECTIVE_SOURCES CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/src/collectives/*.cpp)

add_library(kvshift_msmpi SHARED src/msmpi/exports.cpp)
target_include_directories(kvshift_msmpi PRIVATE include src)
target_compile_options(kvshift_msmpi PRIVATE -Wall -Wextra -Werror -O2)

# Compiles and links a target against an MPI.
function(kvshift_use_mpi target mpi)
    target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR}/include ${CMAKE_SOURCE_DIR}/src)
    target_compile_options(${target} PRIVATE ${KVSHIFT_${mpi}_COMPILE} -Wall -Wextra -Werror)
    # Wrappers name libraries for C++ and Fortran too, which nothing here needs.
    target_link_options(${target} PRIVATE -Wl,--as-needed)
    target_link_libraries(${target} PRIVATE ${KVSHIFT_${mpi}_LINK})
endfunction()

foreach(mpi IN LISTS KVSHIFT_MPIS)
    set(library kvshift_collectives_${mpi})
    add_library(${library} SHARED src/status.cpp ${COLLECTIVE_SOURCES} src/msmpi/calls.cpp src/msmpi/handles.cpp)
    target_include_directories(${library} PUBLIC include)
    target_compile_options(${library} PRIVATE -O3)
    kvshift_use_mpi(${library} ${mpi})
    set_target_properties(${library} PROPERTIES OUTPUT_NAME kvshift_collectives LIBRARY_OUTPUT_DIRECTORY ${CMAKE_LIBRARY_OUTPUT_DIRECTORY}/${mpi})
endforeach()

# An MPI that is no longer found must not be found at run time.
foreach(mpi openmpi mpich)
    if(NOT mpi IN_LIST KVSHIFT_MPIS)
        file(REMOVE_RECURSE ${CMAKE_LIBRARY_OUTPUT_DIRECTORY}/${mpi})
    endif()
endforeach()
