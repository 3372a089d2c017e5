# Tools, examples and tests: everything that only this project's own builds need.
find_package(PkgConfig REQUIRED)
find_package(Boost 1.74 CONFIG REQUIRED)  # only headers: Asio and Beast
find_package(CLI11 REQUIRED)
find_package(prometheus-cpp REQUIRED)
find_package(spdlog REQUIRED)
find_package(GTest REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto SSL)
pkg_check_modules(httplib REQUIRED IMPORTED_TARGET cpp-httplib)
pkg_check_modules(nghttp2 REQUIRED IMPORTED_TARGET libnghttp2)
# A TIMEOUT of a test is for one that hangs: ten times the usual, for machines that are slow or busy.
# A COST orders: what takes a minute begins first, so that no run ends on one test that all wait for.
enable_testing()
include(GoogleTest)
include(CTest)

# postbox_program(<name> LINK … SOURCES …)
function(postbox_program name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LINK")
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE postbox_build ${arg_LINK})
endfunction()

# postbox_test(<name> [OPTIMIZED] [PROPERTIES …] LINK … SOURCES …): one program; each of its cases is a test of ctest,
# with these properties. Under a sanitizer, where a program takes long to start, a test of ctest is one of several
# parts of all its cases (GTEST_FILTER chooses among them); a failure's output names the case.
# What test files instantiate of the same templates takes half of their compilation: POSTBOX_UNITY.
# A test itself computes little, and its optimization would take a third of the build's time:
# only those that ask for it have it. The library under test is optimized as ever.
function(postbox_test name)
  cmake_parse_arguments(PARSE_ARGV 1 test "OPTIMIZED" "" "SOURCES;LINK;PROPERTIES")
  postbox_program(${name} LINK ${test_LINK} SOURCES ${test_SOURCES})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests ${PROJECT_SOURCE_DIR}/src)
  target_compile_definitions(${name} PRIVATE POSTBOX_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  target_link_libraries(${name} PRIVATE GTest::gmock GTest::gtest_main)
  if(test_OPTIMIZED)
    list(APPEND test_PROPERTIES COST 700)  # what computes for long begins early
  endif()
  if(POSTBOX_SANITIZE)
    set(parts 6)
    foreach(part RANGE 1 ${parts})
      set(test "${name}: part ${part} of ${parts}")
      add_test(NAME ${test} COMMAND ${name})
      if(test_PROPERTIES)
        set_tests_properties(${test} PROPERTIES ${test_PROPERTIES})
      endif()
      math(EXPR index "${part} - 1")
      set_property(TEST ${test} APPEND PROPERTY
                   ENVIRONMENT GTEST_TOTAL_SHARDS=${parts} GTEST_SHARD_INDEX=${index})
    endforeach()
  else()
    gtest_discover_tests(${name} TEST_PREFIX "${name}: " DISCOVERY_TIMEOUT 60
                         PROPERTIES ${test_PROPERTIES})
  endif()
  if(test_OPTIMIZED)
    return()  # without the precompiled header, which is compiled otherwise
  endif()
  target_compile_options(${name} PRIVATE -O0)
  if(POSTBOX_SANITIZE)  # whose reports name the functions of a test, and the lines of the library
    target_compile_options(${name} PRIVATE -g0)
  endif()
  if(POSTBOX_SANITIZE MATCHES undefined)  # a sixth of a test file's time, for what the library's files are asked
    target_compile_options(${name} PRIVATE -fno-sanitize=null,alignment,vptr)
  endif()
  set_target_properties(${name} PROPERTIES UNITY_BUILD ${POSTBOX_UNITY} UNITY_BUILD_BATCH_SIZE 7)
  # One precompiled header for all: the first program's.
  get_property(owner GLOBAL PROPERTY POSTBOX_PRECOMPILED)
  if(owner)
    target_precompile_headers(${name} REUSE_FROM ${owner})
  else()
    target_precompile_headers(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests/precompiled.hpp)
    set_property(GLOBAL PROPERTY POSTBOX_PRECOMPILED ${name})
  endif()
endfunction()

add_subdirectory(tools)
add_subdirectory(examples)
add_subdirectory(tests)
add_subdirectory(benchmarks)
