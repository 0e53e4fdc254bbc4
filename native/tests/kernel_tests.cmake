# One CTest test for each group of kernels and instruction set; those that the processor lacks report themselves as skipped.
add_executable(kernels_test kernels_test.cpp kernels_test_arguments.cpp kernels_test_attention.cpp kernels_test_loss.cpp kernels_test_loss_part.cpp
    kernels_test_rows.cpp kernels_test_shift_rope.cpp)
target_compile_options(kernels_test PRIVATE -Wall -Wextra -Werror -O2)
target_link_libraries(kernels_test PRIVATE kvshift)

foreach(isa IN LISTS KVSHIFT_ISAS)
    foreach(group rms_norm shift_rope attention swiglu cross_entropy cross_entropy_part embedding optimizer matmul arguments)
        add_test(NAME kernels.${group}.${isa} COMMAND kernels_test ${group})
        set_tests_properties(kernels.${group}.${isa} PROPERTIES ENVIRONMENT KVSHIFT_ISA=${isa} SKIP_RETURN_CODE 77)
    endforeach()
    add_test(NAME kernels.isolation.${isa} COMMAND ${CMAKE_COMMAND} -DNM=${CMAKE_NM} -DISA=${isa}
        "-DOBJECTS=$<TARGET_OBJECTS:kvshift_kernels_${isa}>" -P ${CMAKE_CURRENT_SOURCE_DIR}/kernel_isolation.cmake)
endforeach()

add_test(NAME kernels.unknown_isa COMMAND kernels_test arguments)
set_tests_properties(kernels.unknown_isa PROPERTIES ENVIRONMENT KVSHIFT_ISA=sse9
    PASS_REGULAR_EXPRESSION "KVSHIFT_ISA=sse9; wanted avx512, avx2 or baseline")

add_executable(matmul_signals_test matmul_signals_test.cpp)
target_compile_options(matmul_signals_test PRIVATE -Wall -Wextra -Werror -O2)
target_link_libraries(matmul_signals_test PRIVATE kvshift)
add_test(NAME kernels.matmul_signals COMMAND matmul_signals_test)
