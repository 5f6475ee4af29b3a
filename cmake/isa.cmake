# The instruction sets of this processor that there are tables for, and the flags that their sources need: instructions
# never leak from one set into the code of another.
set(RHM_ISAS "")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(RHM_ISAS avx2 avx512)
  set(RHM_ISA_FLAGS_avx2 -mavx2 -mfma)
  set(RHM_ISA_FLAGS_avx512 -mavx2 -mfma -mavx512f -mavx512bw -mavx512dq -mavx512vl -mprefer-vector-width=512)
endif()

# One source with flags of its own, for the libraries to pick up.
function(rhm_flagged_object name source)
  add_library(rhm_${name} OBJECT ${source})
  target_include_directories(rhm_${name} PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include)
  target_compile_options(rhm_${name} PRIVATE ${ARGN} ${RHM_KERNEL_FLAGS})
  target_link_libraries(rhm_${name} PRIVATE rhm_warnings)
  set_target_properties(rhm_${name} PROPERTIES POSITION_INDEPENDENT_CODE ON C_VISIBILITY_PRESET hidden)
  set_property(GLOBAL APPEND PROPERTY RHM_KERNEL_OBJECTS $<TARGET_OBJECTS:rhm_${name}>)
endfunction()

# <isa>.c of this directory for each instruction set that it has one for.
function(rhm_isa_objects directory)
  foreach(isa ${RHM_ISAS})
    if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${isa}.c)
      rhm_flagged_object(${directory}_${isa} ${isa}.c ${RHM_ISA_FLAGS_${isa}})
    endif()
  endforeach()
endfunction()
