# Options of the build, and the flags that hold for every file.
option(RHM_TESTS "Build the tests (needs cmocka)" ${PROJECT_IS_TOP_LEVEL})
option(RHM_INSTALL "Make rules for installation" ${PROJECT_IS_TOP_LEVEL})
option(RHM_BENCH "Build the benchmarks (needs Google Benchmark and a C++ compiler)" OFF)
set(RHM_ONEDNN AUTO CACHE STRING "oneDNN backend: AUTO (if oneDNN is found), ON (fail without it), OFF")
set_property(CACHE RHM_ONEDNN PROPERTY STRINGS AUTO ON OFF)
option(RHM_MPI "Build a module for each MPI that is found" ON)
option(RHM_WERROR "Treat warnings as errors" OFF)
option(RHM_FUZZ "Build the fuzz targets in place of the tests (needs clang)" OFF)
set(RHM_SANITIZE "" CACHE STRING "Sanitizers for everything, such as address,undefined or thread")

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

# Products and sums are fused where the source says fmaf and nowhere else: models must not depend on the compiler's mood.
add_compile_options(-ffp-contract=off)

if(RHM_SANITIZE)
  # More optimisation spends minutes on the checks in unrolled loops, and a finding needs no more than its lines.
  add_compile_options(-fsanitize=${RHM_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer -O1 -g1)
  add_link_options(-fsanitize=${RHM_SANITIZE})
endif()

# Kernels see nothing of a file, and a sanitizer's checks in their unrolled loops take minutes to compile.
set(RHM_KERNEL_FLAGS "")
if(RHM_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
  set(RHM_KERNEL_FLAGS -fno-sanitize=all)
endif()

# -Wdouble-promotion is GCC's alone: to Clang, INFINITY and NAN, floats by the standard, are promoted by accident.
add_library(rhm_warnings INTERFACE)
target_compile_options(rhm_warnings INTERFACE $<$<COMPILE_LANGUAGE:C>:-Wall -Wextra -Wpedantic -Wshadow -Wundef -Wvla
  -Wmissing-prototypes -Wstrict-prototypes -Wpointer-arith -Wcast-qual -Wwrite-strings
  $<$<C_COMPILER_ID:GNU>:-Wdouble-promotion> -Wfloat-conversion>)
if(RHM_WERROR)
  target_compile_options(rhm_warnings INTERFACE -Werror)
endif()
