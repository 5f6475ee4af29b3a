# What other projects use: installed, or as it lies in the build directory.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/rhm)

install(TARGETS rhm_shared rhm_static EXPORT rhm-targets INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS rhm_command)
if(NOT CMAKE_CROSSCOMPILING)
  include(cmake/pages.cmake)
endif()
install(DIRECTORY include/rhm DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")

# find_package(rhm), with -Drhm_DIR=BUILD_DIRECTORY without installation. Interfaces may change with minor versions up to 1.0.
configure_package_config_file(cmake/rhm-config.cmake.in rhm-config.cmake INSTALL_DESTINATION ${package}
  NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(rhm-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/rhm-config.cmake ${PROJECT_BINARY_DIR}/rhm-config-version.cmake DESTINATION ${package})
install(EXPORT rhm-targets NAMESPACE rhm:: DESTINATION ${package})
export(EXPORT rhm-targets NAMESPACE rhm:: FILE rhm-targets.cmake)

# rhm.pc finds its neighbours from where it lies itself, so that the tree may be moved. Its prefix is what was installed to.
# rhm-uninstalled.pc is what pkg-config takes in its place from a build directory.
function(rhm_pc_file out prefix libdir includedir from)
  foreach(directory libdir includedir)
    if(NOT from STREQUAL "")
      cmake_path(RELATIVE_PATH ${directory} BASE_DIRECTORY ${from})
      string(PREPEND ${directory} "\${pcfiledir}/")
    endif()
  endforeach()
  configure_file(cmake/rhm.pc.in ${out} @ONLY)
endfunction()

set(libraries "")
foreach(library IN LISTS RHM_LINK_LIBRARIES)
  if(NOT IS_ABSOLUTE ${library})
    string(PREPEND library -l)
  endif()
  string(APPEND libraries " ${library}")
endforeach()
set(pc_folder ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig)
set(from ${pc_folder})
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}" OR IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
  set(from "")
endif()
rhm_pc_file(rhm.pc.in "@CMAKE_INSTALL_PREFIX@" ${CMAKE_INSTALL_FULL_LIBDIR} ${CMAKE_INSTALL_FULL_INCLUDEDIR} "${from}")
rhm_pc_file(rhm-uninstalled.pc ${PROJECT_BINARY_DIR} ${CMAKE_LIBRARY_OUTPUT_DIRECTORY} ${PROJECT_SOURCE_DIR}/include ${PROJECT_BINARY_DIR})
install(CODE "configure_file(\"${PROJECT_BINARY_DIR}/rhm.pc.in\" \"${PROJECT_BINARY_DIR}/rhm.pc\" @ONLY)")
install(FILES ${PROJECT_BINARY_DIR}/rhm.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
