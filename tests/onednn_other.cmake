# onednn/matmul.c against the headers of the oneDNN generation that this build does not use.
if(RHM_ONEDNN_OTHER_INCLUDE_DIR)
  add_library(onednn_other OBJECT EXCLUDE_FROM_ALL ${PROJECT_SOURCE_DIR}/src/kernels/onednn/matmul.c)
  target_include_directories(onednn_other SYSTEM BEFORE PRIVATE ${RHM_ONEDNN_OTHER_INCLUDE_DIR})
  target_include_directories(onednn_other PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include)
  target_compile_options(onednn_other PRIVATE -Werror)
  target_link_libraries(onednn_other PRIVATE OpenMP::OpenMP_C rhm_warnings)
  add_test(NAME onednn_other_generation COMMAND ${CMAKE_COMMAND} --build ${PROJECT_BINARY_DIR} --target onednn_other)
else()
  add_test(NAME onednn_other_generation COMMAND ${CMAKE_COMMAND} -E echo
    "SKIPPED: set RHM_ONEDNN_OTHER_INCLUDE_DIR to the headers of oneDNN's other generation")
  set_tests_properties(onednn_other_generation PROPERTIES SKIP_REGULAR_EXPRESSION "^SKIPPED")
endif()
