# cmake -DNM=nm -DISA=name "-DOBJECTS=a.o;b.o" -P kernel_isolation.cmake
# Fails where an object compiled for one instruction set has a weak function outside the namespace of that instruction set: the
# linker keeps one copy of such a function for the whole library, perhaps one that the running processor cannot execute.
execute_process(COMMAND ${NM} -C --defined-only ${OBJECTS} OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "[^\n]* W [^\n]*" weak "${symbols}")
list(FILTER weak EXCLUDE REGEX "kvshift::${ISA}::")
if(weak)
    message(FATAL_ERROR "shared weak functions in the kernels for ${ISA}: ${weak}")
endif()
