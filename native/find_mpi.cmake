# Finds the MPIs that libraries are built for: one Open MPI and one MPICH at most, MPICH standing for those that are made of it (Intel MPI, MVAPICH,
# Cray MPICH). Each is known by its compiler wrapper, which says with what flags its programs are compiled and linked.
#
#   KVSHIFT_MPICXX    wrappers, in the order in which they are tried; by default mpicxx, whatever it is, and Debian's names beside it
#
# Sets KVSHIFT_MPIS, and for each of these: KVSHIFT_<mpi>_NAME, _WRAPPER, _COMPILE (flags), _LINK (flags), _LAUNCHER (mpirun, or empty).
set(KVSHIFT_MPICXX "mpicxx;mpicxx.openmpi;mpicxx.mpich" CACHE STRING "MPI's compiler wrappers: names in PATH, or whole paths")

# Its name, and whose it is, from the macros of its mpi.h.
function(kvshift_identify_mpi wrapper mpi name)
    set(source ${CMAKE_CURRENT_BINARY_DIR}/which_mpi.cpp)
    # Macros of mpi.h are replaced, words in quotation marks are not.
    file(WRITE ${source} "#define OMPI_SKIP_MPICXX 1\n#define MPICH_SKIP_MPICXX 1\n#include <mpi.h>\n"
        "#if defined(OPEN_MPI)\nkvshift: openmpi: \"Open MPI\" OMPI_MAJOR_VERSION OMPI_MINOR_VERSION OMPI_RELEASE_VERSION\n"
        "#elif defined(I_MPI_VERSION)\nkvshift: mpich: \"Intel MPI\" I_MPI_VERSION\n"
        "#elif defined(MVAPICH2_VERSION)\nkvshift: mpich: \"MVAPICH\" MVAPICH2_VERSION\n"
        "#elif defined(MVAPICH_VERSION)\nkvshift: mpich: \"MVAPICH\" MVAPICH_VERSION\n"
        "#elif defined(CRAY_MPICH_VERSION)\nkvshift: mpich: \"Cray MPICH\" CRAY_MPICH_VERSION\n"
        "#elif defined(MPICH_VERSION)\nkvshift: mpich: \"MPICH\" MPICH_VERSION\n"
        "#elif defined(MPI_VERSION)\nkvshift: other: \"an MPI\" MPI_VERSION MPI_SUBVERSION \"that is neither Open MPI nor MPICH\"\n#endif\n")
    execute_process(COMMAND ${wrapper} -E -P ${source} OUTPUT_VARIABLE text ERROR_VARIABLE errors RESULT_VARIABLE status)
    if(NOT status EQUAL 0 OR NOT text MATCHES "kvshift: ([a-z]+): ([^\n]*)")
        message(FATAL_ERROR "${wrapper} does not compile a file that includes mpi.h (exit code ${status}): ${errors}\nGive the wrappers that do: -DKVSHIFT_MPICXX=...")
    endif()
    set(${mpi} ${CMAKE_MATCH_1} PARENT_SCOPE)
    string(REPLACE "\"" "" text "${CMAKE_MATCH_2}")
    string(REGEX REPLACE "([0-9]) ([0-9])" "\\1.\\2" text "${text}")
    string(REGEX REPLACE "([0-9]) ([0-9])" "\\1.\\2" text "${text}")
    set(${name} ${text} PARENT_SCOPE)
endfunction()

# What the wrapper adds to a compiler's arguments. Its choices of optimisation and debugging are not taken over.
function(kvshift_read_mpi_flags wrapper compile link)
    execute_process(COMMAND ${wrapper} -show OUTPUT_VARIABLE line ERROR_VARIABLE errors RESULT_VARIABLE status)
    if(NOT status EQUAL 0)
        message(FATAL_ERROR "'${wrapper} -show' ends with exit code ${status}: ${errors}")
    endif()
    separate_arguments(words UNIX_COMMAND "${line}")
    list(POP_FRONT words)
    set(compile_words)
    set(link_words)
    set(joined)
    foreach(word IN LISTS words)
        if(joined STREQUAL "-isystem")
            list(APPEND compile_words "SHELL:-isystem ${word}")
        elseif(joined STREQUAL "-Xlinker")
            list(APPEND link_words -Wl,${word})
        elseif(word MATCHES "^-[ID]")
            list(APPEND compile_words ${word})
        elseif(word STREQUAL "-pthread")
            list(APPEND compile_words ${word})
            list(APPEND link_words ${word})
        elseif(word MATCHES "^-([Ll]|Wl,)" OR word MATCHES "\\.(so|a)(\\.[0-9.]+)?$")
            list(APPEND link_words ${word})
        endif()
        set(joined)
        if(word STREQUAL "-isystem" OR word STREQUAL "-Xlinker")
            set(joined ${word})
        endif()
    endforeach()
    set(${compile} ${compile_words} PARENT_SCOPE)
    set(${link} ${link_words} PARENT_SCOPE)
endfunction()

# The mpirun of the same installation: beside the wrapper, and with the same ending.
function(kvshift_find_launcher wrapper launcher)
    get_filename_component(folder ${wrapper} DIRECTORY)
    get_filename_component(file ${wrapper} NAME)
    string(REGEX MATCH "\\.[a-z]+$" ending "${file}")
    set(found)
    foreach(name mpirun mpiexec)
        if(NOT found AND EXISTS ${folder}/${name}${ending})
            set(found ${folder}/${name}${ending})
        endif()
    endforeach()
    set(${launcher} ${found} PARENT_SCOPE)
endfunction()

set(KVSHIFT_MPIS)
set(tried)
foreach(wanted IN LISTS KVSHIFT_MPICXX)
    # Looked for each time: what mpicxx is may have changed since.
    unset(KVSHIFT_WRAPPER CACHE)
    find_program(KVSHIFT_WRAPPER NAMES ${wanted})
    if(NOT KVSHIFT_WRAPPER)
        continue()
    endif()
    list(APPEND tried ${wanted})
    kvshift_identify_mpi(${KVSHIFT_WRAPPER} mpi name)
    if(mpi STREQUAL "other")
        message(FATAL_ERROR "found ${name} behind ${KVSHIFT_WRAPPER}; wanted Open MPI, or MPICH or one made of it (Intel MPI, MVAPICH, Cray MPICH). "
            "Give the wrapper of one of these: -DKVSHIFT_MPICXX=/path/of/mpicxx")
    endif()
    if(NOT mpi IN_LIST KVSHIFT_MPIS)
        list(APPEND KVSHIFT_MPIS ${mpi})
        set(KVSHIFT_${mpi}_NAME ${name})
        set(KVSHIFT_${mpi}_WRAPPER ${KVSHIFT_WRAPPER})
        kvshift_read_mpi_flags(${KVSHIFT_WRAPPER} KVSHIFT_${mpi}_COMPILE KVSHIFT_${mpi}_LINK)
        kvshift_find_launcher(${KVSHIFT_WRAPPER} KVSHIFT_${mpi}_LAUNCHER)
        message(STATUS "MPI: ${name} by ${KVSHIFT_WRAPPER}, started by ${KVSHIFT_${mpi}_LAUNCHER}")
    endif()
endforeach()
unset(KVSHIFT_WRAPPER CACHE)
if(NOT KVSHIFT_MPIS)
    message(WARNING "found no MPI (${KVSHIFT_MPICXX}): what is built here runs in one process alone. Debian: apt-get install openmpi-bin libopenmpi-dev, "
        "or mpich libmpich-dev; elsewhere -DKVSHIFT_MPICXX=/path/of/mpicxx")
endif()
