# oneDNN 2.6 or newer, C API. Looked for by hand: the package configuration of Debian 12 insists on OpenCL's headers,
# which the CPU engine does not need. Sets RHM_HAVE_ONEDNN to 0 or 1 and, with it, ONEDNN_LIBRARY_IN_USE and the target rhm_onednn.
include(CheckSourceCompiles)
set(RHM_HAVE_ONEDNN 0)
set(ONEDNN_LIBRARY_IN_USE "")
if(NOT RHM_ONEDNN MATCHES "^(AUTO|ON|OFF)$")
  message(FATAL_ERROR "RHM_ONEDNN is \"${RHM_ONEDNN}\": allowed are AUTO, ON, OFF")
endif()

if(NOT RHM_ONEDNN STREQUAL "OFF")
  find_path(ONEDNN_INCLUDE_DIR oneapi/dnnl/dnnl.h)
  find_library(ONEDNN_LIBRARY dnnl)
  set(obstacle "")
  if(NOT ONEDNN_INCLUDE_DIR OR NOT ONEDNN_LIBRARY)
    set(obstacle "oneDNN was not found (Debian: libdnnl-dev; elsewhere set CMAKE_PREFIX_PATH)")
  else()
    # Its threads must be OpenMP's, or there is a second team beside ours; or none at all.
    set(CMAKE_REQUIRED_INCLUDES ${ONEDNN_INCLUDE_DIR})
    check_source_compiles(C "
      #include <oneapi/dnnl/dnnl_config.h>
      #include <oneapi/dnnl/dnnl_version.h>
      _Static_assert(DNNL_VERSION_MAJOR * 100 + DNNL_VERSION_MINOR >= 206, \"too old\");
      _Static_assert(DNNL_CPU_RUNTIME == DNNL_RUNTIME_OMP || DNNL_CPU_RUNTIME == DNNL_RUNTIME_SEQ, \"other threads\");
      int main(void) { return 0; }" ONEDNN_SUITABLE)
    unset(CMAKE_REQUIRED_INCLUDES)
    if(NOT ONEDNN_SUITABLE)
      set(obstacle "the oneDNN in ${ONEDNN_INCLUDE_DIR} is older than 2.6 or was built for threads other than OpenMP's")
    endif()
  endif()
  if(obstacle AND RHM_ONEDNN STREQUAL "ON")
    message(FATAL_ERROR "RHM_ONEDNN is ON: ${obstacle}")
  elseif(obstacle)
    message(STATUS "oneDNN backend: off, ${obstacle}")
  else()
    message(STATUS "oneDNN backend: ${ONEDNN_LIBRARY}")
    set(RHM_HAVE_ONEDNN 1)
    set(ONEDNN_LIBRARY_IN_USE ${ONEDNN_LIBRARY})
    add_library(rhm_onednn INTERFACE)
    target_include_directories(rhm_onednn SYSTEM INTERFACE ${ONEDNN_INCLUDE_DIR})
    target_link_libraries(rhm_onednn INTERFACE ${ONEDNN_LIBRARY})
  endif()
endif()
