# Everything the library links, behind one interface target. Debian 12 package names are in ./dev.
find_package(OpenMP REQUIRED COMPONENTS C)
find_package(HDF5 REQUIRED COMPONENTS C)
find_package(PkgConfig REQUIRED)
pkg_check_modules(hwloc REQUIRED IMPORTED_TARGET hwloc>=2.5)
pkg_check_modules(jansson REQUIRED IMPORTED_TARGET jansson>=2.10)
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
