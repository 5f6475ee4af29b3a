# Everything the library links, behind one interface target. Debian 12 package names are in ./dev.
find_package(OpenMP REQUIRED COMPONENTS C)
find_package(HDF5 REQUIRED COMPONENTS C)
find_package(PkgConfig REQUIRED)
pkg_check_modules(hwloc REQUIRED IMPORTED_TARGET hwloc>=2.5)
pkg_check_modules(jansson REQUIRED IMPORTED_TARGET jansson>=2.11)
pkg_check_modules(nettle REQUIRED IMPORTED_TARGET nettle>=3.4)
pkg_check_modules(lapacke REQUIRED IMPORTED_TARGET lapacke blas)

include(cmake/onednn.cmake)

add_library(rhm_dependencies INTERFACE)
target_include_directories(rhm_dependencies SYSTEM INTERFACE ${HDF5_C_INCLUDE_DIRS})
target_link_libraries(rhm_dependencies INTERFACE OpenMP::OpenMP_C ${HDF5_C_LIBRARIES} PkgConfig::hwloc PkgConfig::jansson
  PkgConfig::nettle PkgConfig::lapacke m)
if(RHM_HAVE_ONEDNN)
  target_link_libraries(rhm_dependencies INTERFACE rhm_onednn)
endif()

# The same for whoever links the static library, by this build's targets, rhm::rhm_static or rhm.pc: as names where the linker
# looks anyway and as paths elsewhere, so that nobody has to find the packages again.
function(rhm_link_libraries out)
  set(found "")
  foreach(library IN LISTS ARGN)
    if(TARGET ${library})
      get_target_property(library ${library} LOCATION)
    endif()
    get_filename_component(directory ${library} DIRECTORY)
    if(directory IN_LIST CMAKE_C_IMPLICIT_LINK_DIRECTORIES AND library MATCHES "/lib([^/]+)\\.(so|a|dylib)$")
      set(library ${CMAKE_MATCH_1})
    endif()
    list(APPEND found ${library})
  endforeach()
  list(REMOVE_DUPLICATES found)
  set(${out} ${found} PARENT_SCOPE)
endfunction()

# Only a static libhdf5 needs those that it is linked with itself.
set(hdf5_libraries ${HDF5_C_LIBRARIES})
if(HDF5_C_LIBRARIES MATCHES "libhdf5[^;]*\\.so")
  list(FILTER hdf5_libraries INCLUDE REGEX "hdf5")
endif()
rhm_link_libraries(RHM_LINK_LIBRARIES ${hdf5_libraries} ${hwloc_LINK_LIBRARIES} ${jansson_LINK_LIBRARIES} ${nettle_LINK_LIBRARIES}
  ${lapacke_LINK_LIBRARIES} ${ONEDNN_LIBRARY_IN_USE} ${OpenMP_C_LIBRARIES} m)
