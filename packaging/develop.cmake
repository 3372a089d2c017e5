# Tools, examples and tests: everything that only this project's own builds need.
find_package(PkgConfig REQUIRED)
find_package(Boost 1.74 CONFIG REQUIRED)  # only headers: Asio and Beast
find_package(CLI11 REQUIRED)
find_package(spdlog REQUIRED)
find_package(GTest REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto SSL)
pkg_check_modules(httplib REQUIRED IMPORTED_TARGET cpp-httplib)
pkg_check_modules(nghttp2 REQUIRED IMPORTED_TARGET libnghttp2)
# A TIMEOUT of a test is for one that hangs: ten times the usual, for machines that are slow or busy.
enable_testing()
include(GoogleTest)
include(CTest)

# postbox_program(<name> LINK … SOURCES …)
function(postbox_program name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LINK")
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE postbox_build ${arg_LINK})
endfunction()

# postbox_test(<name> [OPTIMIZED] LINK … SOURCES …): one program; each of its cases is a test of ctest.
# With sanitizers the optimization of a program that hardly computes would take half of the build's
# time: only those that ask for it have it.
function(postbox_test name)
  cmake_parse_arguments(PARSE_ARGV 1 test "OPTIMIZED" "" "")
  postbox_program(${name} ${ARGN})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests ${PROJECT_SOURCE_DIR}/src)
  target_compile_definitions(${name} PRIVATE POSTBOX_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  target_link_libraries(${name} PRIVATE GTest::gmock GTest::gtest_main)
  gtest_discover_tests(${name} TEST_PREFIX "${name}: " DISCOVERY_TIMEOUT 60)
  if(POSTBOX_SANITIZE AND test_OPTIMIZED)
    return()  # without the precompiled header, which is compiled otherwise
  elseif(POSTBOX_SANITIZE)
    target_compile_options(${name} PRIVATE -O0)
  endif()
  # One precompiled header for all: the first program's.
  get_property(owner GLOBAL PROPERTY POSTBOX_PRECOMPILED)
  if(POSTBOX_SANITIZE AND name STREQUAL simulation_tests)
    # It is compiled otherwise.
  elseif(owner)
    target_precompile_headers(${name} REUSE_FROM ${owner})
  else()
    target_precompile_headers(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests/precompiled.hpp)
    set_property(GLOBAL PROPERTY POSTBOX_PRECOMPILED ${name})
  endif()
endfunction()

add_library(klaviyo_sim_core STATIC
  tools/klaviyo-sim/account.cpp
  tools/klaviyo-sim/account_reads.cpp
  tools/klaviyo-sim/connection.cpp
  tools/klaviyo-sim/consent_rules.cpp
  tools/klaviyo-sim/event_rules.cpp
  tools/klaviyo-sim/event_store.cpp
  tools/klaviyo-sim/fault_script.cpp
  tools/klaviyo-sim/faults.cpp
  tools/klaviyo-sim/field_reader.cpp
  tools/klaviyo-sim/http_server.cpp
  tools/klaviyo-sim/ids.cpp
  tools/klaviyo-sim/json_api.cpp
  tools/klaviyo-sim/list_query.cpp
  tools/klaviyo-sim/paging.cpp
  tools/klaviyo-sim/profile_rules.cpp
  tools/klaviyo-sim/profile_store.cpp
  tools/klaviyo-sim/property_rules.cpp
  tools/klaviyo-sim/rate_windows.cpp
  tools/klaviyo-sim/request_checks.cpp
  tools/klaviyo-sim/request_target.cpp
  tools/klaviyo-sim/resources.cpp
  tools/klaviyo-sim/rfc3339.cpp
  tools/klaviyo-sim/simulator.cpp)
target_include_directories(klaviyo_sim_core PUBLIC ${PROJECT_SOURCE_DIR}/tools/klaviyo-sim)
target_link_libraries(klaviyo_sim_core PRIVATE postbox_build
                      PUBLIC nlohmann_json::nlohmann_json Boost::headers Threads::Threads)
postbox_program(klaviyo-sim LINK klaviyo_sim_core CLI11::CLI11 SOURCES tools/klaviyo-sim/main.cpp)

postbox_program(postbox_command LINK postbox::klaviyo CLI11::CLI11 nlohmann_json::nlohmann_json SOURCES
  tools/postbox/json_schema.cpp
  tools/postbox/main.cpp
  tools/postbox/page.cpp
  tools/postbox/samples.cpp
  tools/postbox/schema_command.cpp)
set_target_properties(postbox_command PROPERTIES OUTPUT_NAME postbox)  # the library has the target

postbox_program(settings_reference LINK postbox::stripe SOURCES tools/settings/main.cpp)

postbox_program(minimal LINK postbox::klaviyo SOURCES examples/minimal/main.cpp)

add_library(checkout_server_core STATIC
  examples/checkout_server/http_server.cpp
  examples/checkout_server/metrics.cpp
  examples/checkout_server/routes.cpp)
target_include_directories(checkout_server_core PUBLIC ${PROJECT_SOURCE_DIR}/examples/checkout_server)
target_link_libraries(checkout_server_core PRIVATE postbox_build
                      PUBLIC postbox::stripe postbox::klaviyo_json PkgConfig::httplib)
postbox_program(checkout_server LINK checkout_server_core postbox::spdlog CLI11::CLI11
                SOURCES examples/checkout_server/main.cpp)

postbox_test(engine_tests LINK postbox::postbox postbox::testing SOURCES
  tests/backoff_test.cpp
  tests/batch_limit_test.cpp
  tests/blanks_test.cpp
  tests/broken_outbox_test.cpp
  tests/config_test.cpp
  tests/dead_letters_test.cpp
  tests/dotenv_test.cpp
  tests/file_name_test.cpp
  tests/flags_test.cpp
  tests/held_events_test.cpp
  tests/intake_queue_test.cpp
  tests/json_text_test.cpp
  tests/logger_test.cpp
  tests/http_url_test.cpp
  tests/not_accepted_test.cpp
  tests/rfc3339_test.cpp
  tests/schema_test.cpp
  tests/lane_faults_test.cpp
  tests/lanes_test.cpp
  tests/notices_test.cpp
  tests/outage_test.cpp
  tests/pacer_test.cpp
  tests/sender_test.cpp
  tests/tracker_test.cpp
  tests/undeliverable_test.cpp
  tests/visibility_test.cpp)
if(NOT POSTBOX_SANITIZE)  # the sanitizers have an operator new of their own
  target_sources(engine_tests PRIVATE tests/out_of_memory_test.cpp)
endif()

list(TRANSFORM klaviyo_modules REPLACE "(.+)" "tests/klaviyo_\\1_test.cpp"
     OUTPUT_VARIABLE klaviyo_event_tests)
postbox_test(klaviyo_tests LINK postbox::klaviyo postbox::testing OpenSSL::Crypto
             nlohmann_json::nlohmann_json SOURCES
  ${klaviyo_event_tests}
  tests/klaviyo_abandoned_ends_test.cpp
  tests/klaviyo_abandoned_test.cpp
  tests/klaviyo_accept_test.cpp
  tests/klaviyo_backfill_test.cpp
  tests/klaviyo_config_test.cpp
  tests/klaviyo_cookie_test.cpp
  tests/klaviyo_custom_test.cpp
  tests/klaviyo_destination_test.cpp
  tests/klaviyo_environment_test.cpp
  tests/klaviyo_identify_test.cpp
  tests/klaviyo_metric_names_test.cpp
  tests/klaviyo_money_test.cpp
  tests/klaviyo_order_events_test.cpp
  tests/klaviyo_orders_test.cpp
  tests/klaviyo_profile_test.cpp
  tests/klaviyo_reason_test.cpp
  tests/klaviyo_recovery_test.cpp
  tests/klaviyo_rollback_test.cpp
  tests/klaviyo_settings_test.cpp
  tests/klaviyo_warnings_test.cpp)

postbox_test(stripe_tests LINK klaviyo_sim_core postbox::stripe postbox::testing SOURCES
  tests/settings_test.cpp
  tests/stripe_charges_test.cpp
  tests/stripe_decisions_test.cpp
  tests/stripe_events_test.cpp
  tests/stripe_field_test.cpp
  tests/stripe_fixtures_test.cpp
  tests/stripe_lives_test.cpp
  tests/stripe_memory_test.cpp
  tests/stripe_mutations_test.cpp
  tests/stripe_privacy_test.cpp
  tests/stripe_property_test.cpp
  tests/stripe_mended_test.cpp
  tests/stripe_shapes_test.cpp
  tests/stripe_signature_test.cpp
  tests/stripe_thin_events_test.cpp
  tests/stripe_webhook_test.cpp)

postbox_test(simulation_tests OPTIMIZED LINK postbox::klaviyo postbox::testing SQLite::SQLite3 SOURCES
  tests/simulation/sabotage_test.cpp
  tests/simulation/simulation_test.cpp)
target_include_directories(simulation_tests PRIVATE ${PROJECT_SOURCE_DIR}/tests/simulation)
set(lives 2000)
if(POSTBOX_SANITIZE)
  set(lives 30)
endif()
target_compile_definitions(simulation_tests PRIVATE
                           POSTBOX_BIN_DIR="${CMAKE_RUNTIME_OUTPUT_DIRECTORY}"
                           POSTBOX_LIVES=${lives})

postbox_test(example_tests LINK checkout_server_core SOURCES
  tests/checkout_server_metrics_test.cpp
  tests/checkout_server_recovery_test.cpp
  tests/checkout_server_routes_test.cpp
  tests/checkout_server_warnings_test.cpp)

postbox_test(klaviyo_json_tests LINK postbox::klaviyo_json SOURCES
  tests/from_json_test.cpp
  tests/json_paths_test.cpp)

postbox_test(spdlog_tests LINK postbox::klaviyo postbox::spdlog SOURCES tests/spdlog_test.cpp)

postbox_test(outbox_tests LINK postbox::postbox postbox::testing SQLite::SQLite3 SOURCES
  tests/file_format_test.cpp
  tests/open_outbox_test.cpp
  tests/sqlite_outbox_test.cpp
  tests/sqlite_disk_test.cpp
  tests/sqlite_log_test.cpp
  tests/sqlite_moved_test.cpp
  tests/sqlite_order_test.cpp
  tests/sqlite_processes_test.cpp
  tests/sqlite_room_test.cpp
  tests/sqlite_salvage_test.cpp
  tests/sqlite_timers_test.cpp
  tests/store_file_test.cpp)

postbox_test(network_tests LINK postbox::postbox OpenSSL::SSL OpenSSL::Crypto PkgConfig::nghttp2
             SOURCES
  tests/curl_http_client_h2_test.cpp
  tests/curl_http_client_in_host_test.cpp
  tests/curl_http_client_test.cpp
  tests/curl_http_client_tls_test.cpp
  tests/proxy_settings_test.cpp
  tests/support/black_hole_resolver.cpp)

postbox_test(sim_tests LINK klaviyo_sim_core postbox::klaviyo PkgConfig::httplib SOURCES
  tests/klaviyo_bulk_test.cpp
  tests/klaviyo_limits_test.cpp
  tests/klaviyo_consent_test.cpp
  tests/klaviyo_random_events_test.cpp
  tests/klaviyo_sim_account_test.cpp
  tests/klaviyo_sim_rules_test.cpp
  tests/klaviyo_sim_test.cpp
  tests/klaviyo_spellings_test.cpp
  tests/klaviyo_time_limits_test.cpp)

postbox_test(scenario_tests LINK klaviyo_sim_core postbox::stripe OpenSSL::Crypto SQLite::SQLite3
             PkgConfig::httplib SOURCES
  tests/scenarios/a_backlog_travels_in_bulk_and_inside_the_limits_test.cpp
  tests/scenarios/a_new_key_resumes_without_a_restart_test.cpp
  tests/scenarios/a_read_that_stays_open_fills_the_log_test.cpp
  tests/scenarios/consent_is_passed_on_in_its_order_test.cpp
  tests/scenarios/every_order_of_the_real_file_is_recorded_once_test.cpp
  tests/scenarios/orders_survive_a_kill_and_are_recorded_once_test.cpp
  tests/scenarios/stripe_reports_a_purchase_several_times_test.cpp
  tests/scenarios/switched_off_it_never_calls_test.cpp
  tests/scenarios/ten_thousand_orders_through_a_bad_api_test.cpp
  tests/scenarios/the_environment_of_real_containers_test.cpp
  tests/scenarios/what_people_type_is_one_profile_test.cpp
  tests/scenarios/what_stripe_sends_is_recorded_by_its_money_test.cpp)
target_compile_definitions(scenario_tests PRIVATE
                           POSTBOX_BIN_DIR="${CMAKE_RUNTIME_OUTPUT_DIRECTORY}")
add_dependencies(scenario_tests checkout_server klaviyo-sim)

postbox_test(process_tests LINK klaviyo_sim_core postbox::stripe postbox::testing SQLite::SQLite3
             PkgConfig::httplib SOURCES
  tests/fork_in_host_test.cpp
  tests/tracker_fork_test.cpp
  tests/tracker_in_host_test.cpp)
add_library(guest_module MODULE tests/support/guest_module.cpp)
target_link_libraries(guest_module PRIVATE postbox_build postbox::klaviyo)
target_compile_definitions(process_tests PRIVATE
                           POSTBOX_BIN_DIR="${CMAKE_RUNTIME_OUTPUT_DIRECTORY}"
                           POSTBOX_GUEST_MODULE="$<TARGET_FILE:guest_module>")
add_dependencies(process_tests guest_module)

# Rules that no compiler checks, and the package as a stranger sees it.
find_package(Python3 REQUIRED COMPONENTS Interpreter)
foreach(check layout documents)
  add_test(NAME "checks: ${check}"
           COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/tests/checks/check_${check}.py)
endforeach()
add_test(NAME "checks: settings" COMMAND settings_reference --check ${PROJECT_SOURCE_DIR})
if(NOT POSTBOX_SANITIZE)
  add_test(NAME "checks: consumer of the installed package"
           COMMAND ${PROJECT_SOURCE_DIR}/tests/consumer/run.sh ${CMAKE_BINARY_DIR} ${CMAKE_CXX_COMPILER})
  set_tests_properties("checks: consumer of the installed package" PROPERTIES TIMEOUT 3000)
  postbox_program(event_bodies LINK postbox::klaviyo nlohmann_json::nlohmann_json
                  SOURCES tests/official_client/event_bodies.cpp)
  target_include_directories(event_bodies PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  add_test(NAME "checks: adding an event"
           COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/tests/adding_an_event/run.py
                   ${CMAKE_CXX_COMPILER})
  set_tests_properties("checks: adding an event" PROPERTIES TIMEOUT 6000)
  add_test(NAME "checks: events"
           COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/tests/checks/check_events.py
                   $<TARGET_FILE:postbox_command> $<TARGET_FILE:event_bodies>)
  set_tests_properties("checks: events" PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 1200)
  add_test(NAME "checks: official client"
           COMMAND ${PROJECT_SOURCE_DIR}/tests/official_client/run.sh
                   $<TARGET_FILE:klaviyo-sim> $<TARGET_FILE:event_bodies>)
  set_tests_properties("checks: official client" PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 1200)
endif()

# What scripts/bench runs. Not with sanitizers: they make other programs of them.
if(NOT POSTBOX_SANITIZE)
  function(postbox_bench name)
    postbox_program(${name} ${ARGN})
    target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests ${PROJECT_SOURCE_DIR}/src)
    target_compile_definitions(${name} PRIVATE POSTBOX_BIN_DIR="${CMAKE_RUNTIME_OUTPUT_DIRECTORY}")
  endfunction()
  postbox_bench(capacity_bench LINK postbox::klaviyo postbox::testing
                SOURCES benchmarks/capacity_bench.cpp)
  postbox_bench(quota_bench LINK postbox::postbox postbox::testing
                SOURCES benchmarks/quota_bench.cpp)
  postbox_bench(stripe_bench LINK postbox::stripe OpenSSL::Crypto nlohmann_json::nlohmann_json
                SOURCES benchmarks/stripe_bench.cpp)
  postbox_bench(throughput_bench LINK postbox::klaviyo CURL::libcurl SQLite::SQLite3 GTest::gtest
                SOURCES benchmarks/throughput_bench.cpp)
  postbox_bench(track_bench LINK postbox::klaviyo postbox::testing
                SOURCES benchmarks/track_bench.cpp)
endif()

# Fuzz targets: programs of libFuzzer in preset fuzz, which scripts/fuzz builds and runs; in every
# other build one test that replays each corpus and what is near it.
option(POSTBOX_FUZZ "Build the fuzz targets; needs clang" OFF)
set(fuzz_targets environment headers json order outbox payload recovery_token settings
                 simulator stripe verdict)
set(fuzz_parts checkout_server_core klaviyo_sim_core postbox::stripe postbox::testing
               nlohmann_json::nlohmann_json)
if(POSTBOX_FUZZ)
  foreach(target ${fuzz_targets})
    postbox_program(${target}_fuzz LINK ${fuzz_parts} SOURCES tests/fuzz/${target}_fuzz.cpp)
    target_include_directories(${target}_fuzz PRIVATE ${PROJECT_SOURCE_DIR}/tests
                               ${PROJECT_SOURCE_DIR}/src)
    target_compile_options(${target}_fuzz PRIVATE -fsanitize=fuzzer)
    target_link_options(${target}_fuzz PRIVATE -fsanitize=fuzzer)
  endforeach()
else()
  set(fuzz_sources tests/fuzz/replay_test.cpp)
  set(fuzz_list "")
  foreach(target ${fuzz_targets})
    set(source tests/fuzz/${target}_fuzz.cpp)
    set_source_files_properties(${source} PROPERTIES
                                COMPILE_DEFINITIONS LLVMFuzzerTestOneInput=${target}_fuzz)
    list(APPEND fuzz_sources ${source})
    string(APPEND fuzz_list "X(${target}) ")
  endforeach()
  postbox_test(fuzz_tests LINK ${fuzz_parts} SOURCES ${fuzz_sources})
  set_source_files_properties(tests/fuzz/replay_test.cpp PROPERTIES
                              COMPILE_DEFINITIONS "POSTBOX_FUZZ_TARGETS=${fuzz_list}")
endif()
