# The same checks twice: against the library, and against its sources built to split buffers of a few elements into several
# MPI calls, as the library does only beyond 2^31 elements.
add_executable(collectives_test ${CMAKE_CURRENT_SOURCE_DIR}/collectives_test.cpp)
target_link_libraries(collectives_test PRIVATE kvshift)

add_executable(collectives_split_test ${CMAKE_CURRENT_SOURCE_DIR}/collectives_test.cpp ${CMAKE_CURRENT_SOURCE_DIR}/../src/status.cpp)
foreach(source ${COLLECTIVE_SOURCES})
    target_sources(collectives_split_test PRIVATE ${source})
endforeach()
target_include_directories(collectives_split_test PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/../include ${CMAKE_CURRENT_SOURCE_DIR}/../src)
target_compile_definitions(collectives_split_test PRIVATE KVSHIFT_LARGEST_MPI_COUNT=7)
target_link_libraries(collectives_split_test PRIVATE MPI::MPI_CXX)

foreach(program collectives_test collectives_split_test)
    target_compile_options(${program} PRIVATE -Wall -Wextra -Werror -O2)
    foreach(ranks 1 2 3 4)
        add_test(NAME ${program}_${ranks}
                 COMMAND ${MPIEXEC_EXECUTABLE} --allow-run-as-root --oversubscribe --bind-to none ${MPIEXEC_NUMPROC_FLAG} ${ranks}
                         $<TARGET_FILE:${program}>)
        set_tests_properties(${program}_${ranks} PROPERTIES TIMEOUT 60)
    endforeach()
endforeach()
