# One source compiled with the flags of one instruction set, for the libraries to pick up.
function(rhm_isa_object name source)
  add_library(rhm_${name} OBJECT ${source})
  target_include_directories(rhm_${name} PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include)
  target_compile_options(rhm_${name} PRIVATE ${ARGN} ${RHM_KERNEL_FLAGS})
  target_link_libraries(rhm_${name} PRIVATE rhm_warnings)
  set_target_properties(rhm_${name} PROPERTIES POSITION_INDEPENDENT_CODE ON C_VISIBILITY_PRESET hidden)
  set_property(GLOBAL APPEND PROPERTY RHM_KERNEL_OBJECTS $<TARGET_OBJECTS:rhm_${name}>)
endfunction()
