# RHM_TEST_SLOWDOWN=KERNEL:PERCENT makes one native kernel do that much of its work again, so that the harness in perf/
# can be seen to notice. Such a build says so in its version and cannot be installed.
set(RHM_TEST_SLOWDOWN "" CACHE STRING "For tests of perf/: KERNEL:PERCENT, such as forward:10 (features, product, forward)")
if(RHM_TEST_SLOWDOWN)
  if(NOT RHM_TESTS)
    message(FATAL_ERROR "RHM_TEST_SLOWDOWN is for tests of the harness: it needs RHM_TESTS=ON")
  endif()
  if(NOT RHM_TEST_SLOWDOWN MATCHES "^(features|product|forward):([1-9][0-9]?)$")
    message(FATAL_ERROR "RHM_TEST_SLOWDOWN is '${RHM_TEST_SLOWDOWN}': allowed are features, product or forward, a colon, "
      "and 1 to 99 percent")
  endif()
  string(TOUPPER ${CMAKE_MATCH_1} kernel)
  target_compile_definitions(rhm_objects PRIVATE RHM_SLOWED=RHM_SLOW_${kernel} RHM_SLOWED_PERCENT=${CMAKE_MATCH_2})
  set(RHM_VERSION_SUFFIX "+slow-${CMAKE_MATCH_1}-${CMAKE_MATCH_2}")
  message(WARNING "This build is slowed down on purpose: ${RHM_TEST_SLOWDOWN}")
  install(CODE "message(FATAL_ERROR \"this build is slowed down on purpose (RHM_TEST_SLOWDOWN): it is not for use\")")
endif()
