# besa_library(<name> SRCS ... DEPS ...): a static library besa_<name>, alias besa::<name>, includes from the root.
# besa_test(<name> SRCS ... DEPS ... [LABELS ...]): a GoogleTest program registered with ctest, one entry a program.
include(CTest)
include(GoogleTest)

# All programs of besa_test, for builds that want nothing else.
add_custom_target(unit_tests)

set(BESA_TEST_DATA ${CMAKE_SOURCE_DIR}/tests/data)

function(besa_library name)
  cmake_parse_arguments(ARG "" "" "SRCS;DEPS;PRIVATE_DEPS" ${ARGN})
  add_library(besa_${name} STATIC ${ARG_SRCS})
  add_library(besa::${name} ALIAS besa_${name})
  target_include_directories(besa_${name} PUBLIC ${CMAKE_SOURCE_DIR})
  target_link_libraries(besa_${name} PUBLIC ${ARG_DEPS} PRIVATE besa::warnings ${ARG_PRIVATE_DEPS})
endfunction()

function(besa_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SRCS;DEPS;LABELS" ${ARGN})
  add_executable(${name} ${ARG_SRCS})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR})
  target_compile_definitions(${name} PRIVATE BESA_TEST_DATA="${BESA_TEST_DATA}")
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} besa::warnings GTest::gtest GTest::gmock GTest::gtest_main)
  add_test(NAME ${name} COMMAND ${name})
  add_dependencies(unit_tests ${name})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "unit;${ARG_LABELS}")
endfunction()
