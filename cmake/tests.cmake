# Tests, all through ctest. Adding a file is all there is to do:
#   <floor>/x_test.c        → "base.x", "adapters.sqlite.x": cmocka programs, may use their floor and those below
#   tests/<folder>/x_test.c → "contract.x", "sim.x": the same, may use every floor
#   tests/fuzz/fuzz_x.c     → "fuzz.x": the kept corpus (tests/fuzz/corpus/fuzz_x), once through (the fuzz preset makes the fuzzers)
#   tests/e2e/x.test.mjs    → "e2e.x": node --test against the binary of this build (HELPDESK_BINARY)
#   tests/checks/x.py       → "checks.x": a script that exits 1 with what is wrong
# Those with the label aws run beside emulators of AWS, which scripts/with-emulators installs and starts.
# tests/support/*.c (and tests/*/*.c that are no tests) are a library that all C tests can use.

set(HELPDESK_TESTS AUTO CACHE STRING "C tests: ON (cmocka must be there), AUTO (when it is there) or OFF")
set(test_timeout_s 300)
set(e2e_timeout_s 600)
set(emulated_timeout_s 1500)

set_property(DIRECTORY PROPERTY TEST_INCLUDE_FILES ${CMAKE_SOURCE_DIR}/cmake/test-environment.cmake)
set(test_environment HELPDESK_BUILD_DIR=${CMAKE_BINARY_DIR} HELPDESK_FLAVOR=${HELPDESK_FLAVOR})

# hd_test_properties(<test> <label> <timeout_s>)
function(hd_test_properties name label timeout_s)
  set_tests_properties(${name} PROPERTIES LABELS "${label}" TIMEOUT ${timeout_s} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_property(TEST ${name} PROPERTY ENVIRONMENT ${test_environment})
endfunction()

# hd_c_tests(<label> <libraries> <glob>…)
function(hd_c_tests label libraries)
  file(GLOB files RELATIVE ${CMAKE_SOURCE_DIR} CONFIGURE_DEPENDS ${ARGN})
  list(REMOVE_ITEM files tests/contract/aws_test.c tests/aws/queues_test.c) # run beside emulators: below
  foreach(file IN LISTS files)
    string(REGEX REPLACE "^tests/|_test\\.c$" "" path ${file})
    string(REPLACE "/" "_" target ${path}_test)
    string(REPLACE "/" "." name ${path})
    add_executable(${target} ${file})
    target_link_libraries(${target} PRIVATE hd_test_support ${libraries} PkgConfig::cmocka)
    set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
    add_test(NAME ${name} COMMAND ${target})
    hd_test_properties(${name} ${label} ${test_timeout_s})
  endforeach()
endfunction()

if(HELPDESK_TESTS STREQUAL "ON")
  pkg_check_modules(cmocka REQUIRED IMPORTED_TARGET cmocka)
elseif(NOT HELPDESK_TESTS STREQUAL "OFF")
  pkg_check_modules(cmocka IMPORTED_TARGET cmocka)
  if(NOT cmocka_FOUND)
    message(STATUS "cmocka is not installed: the C tests are left out (scripts/install-deps test)")
  endif()
endif()

if(cmocka_FOUND)
  pkg_check_modules(ssl REQUIRED IMPORTED_TARGET libssl) # a server with a certificate, for tests alone
  set(floors_below_app hd_host hd_producer hd_processors hd_adapters hd_core hd_assets hd_base)
  hd_sources(support tests/support/*.c tests/contract/*.c tests/sim/*.c tests/unit/*.c)
  hd_floor(hd_test_support SOURCES ${support} USES PkgConfig::cmocka PkgConfig::ssl)
  hd_c_tests(unit "hd_base;hd_assets" base/*_test.c)
  hd_c_tests(unit "hd_core;hd_assets" core/*_test.c)
  hd_c_tests(unit "${floors_below_app}" adapters/*/*_test.c producer/*_test.c processors/*_test.c host/*_test.c)
  hd_c_tests(unit "hd_serverless;${floors_below_app}" serverless/*_test.c)
  hd_c_tests(unit "hd_app;${floors_below_app}" app/*_test.c)
  hd_c_tests(integration "hd_app;hd_serverless;${floors_below_app}" tests/*/*_test.c)
  if(TARGET sim_alloc_test AND HELPDESK_FLAVOR MATCHES "^(asan|tsan)$")
    # A sanitizer's malloc cannot be replaced; this way our own code's calls of it can.
    target_link_options(sim_alloc_test PRIVATE -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc)
  endif()
endif()

# hd_emulated_test(<name> <label> [<option of with-emulators>…] -- <command>…)
function(hd_emulated_test name label)
  add_test(NAME ${name} COMMAND ${CMAKE_SOURCE_DIR}/scripts/with-emulators ${ARGN})
  hd_test_properties(${name} "${label};aws" ${emulated_timeout_s})
  set_tests_properties(${name} PROPERTIES SKIP_RETURN_CODE 77 FIXTURES_REQUIRED emulators)
endfunction()

# Installing them is not part of any test's time.
hd_emulated_test(emulators.install check --sqs elasticmq --sam --no-servers -- true)
set_tests_properties(emulators.install PROPERTIES FIXTURES_REQUIRED "" FIXTURES_SETUP emulators)
hd_emulated_test(aws.emulators check --sqs elasticmq --movable-clock -- sh -c "exec \"$HELPDESK_AWS_PYTHON\" tests/aws/emulators_test.py")

if(TARGET helpdesk)
  hd_emulated_test(aws.template check --sam -- sh -c "HELPDESK_BINARY='$<TARGET_FILE:helpdesk>' exec \"$HELPDESK_SAM_PYTHON\" tests/aws/template_test.py")
endif()
if(TARGET bootstrap)
  hd_emulated_test(aws.system e2e --sam -- sh -c "HELPDESK_BOOTSTRAP='$<TARGET_FILE:bootstrap>' exec \"$HELPDESK_SAM_PYTHON\" tests/aws/system_test.py")
endif()
if(TARGET helpdesk AND TARGET bootstrap)
  hd_emulated_test(aws.deploy e2e --sam -- sh -c
    "HELPDESK_BINARY='$<TARGET_FILE:helpdesk>' HELPDESK_BOOTSTRAP='$<TARGET_FILE:bootstrap>' exec \"$HELPDESK_SAM_PYTHON\" tests/aws/deploy_test.py")
endif()

if(cmocka_FOUND)
  add_executable(contract_aws_test tests/contract/aws_test.c)
  target_link_libraries(contract_aws_test PRIVATE hd_test_support hd_app ${floors_below_app} PkgConfig::cmocka)
  set_target_properties(contract_aws_test PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  # The whole suite on moto; on ElasticMQ what the queues have a part in.
  hd_emulated_test(contract.aws_moto integration --no-scan -- $<TARGET_FILE:contract_aws_test>)
  hd_emulated_test(contract.aws_elasticmq integration --sqs elasticmq --movable-clock --no-scan -- env "HELPDESK_CONTRACT_GROUPS=queue model" $<TARGET_FILE:contract_aws_test>)
  add_executable(aws_queues_test tests/aws/queues_test.c)
  target_link_libraries(aws_queues_test PRIVATE hd_test_support hd_app ${floors_below_app} PkgConfig::cmocka)
  set_target_properties(aws_queues_test PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  hd_emulated_test(aws.queues integration -- $<TARGET_FILE:aws_queues_test>)
  hd_emulated_test(aws.queues_elasticmq integration --sqs elasticmq -- $<TARGET_FILE:aws_queues_test>)
endif()

add_executable(aws_send tests/aws/send.c)
target_link_libraries(aws_send PRIVATE hd_adapters hd_core hd_assets hd_base)
set_target_properties(aws_send PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
hd_emulated_test(aws.providers integration -- sh -c "exec \"$HELPDESK_AWS_PYTHON\" tests/aws/providers_test.py $<TARGET_FILE:aws_send>")

if(NOT HELPDESK_FLAVOR MATCHES "^(asan|tsan)$") # Lambda's glibc has not what sanitizers want
  hd_emulated_test(aws.lambda e2e --sam -- sh -c "exec \"$HELPDESK_AWS_PYTHON\" tests/aws/lambda_test.py \"$@\"" lambda_test
                   $<TARGET_FILE:helpdesk> ${CMAKE_SOURCE_DIR}/scripts/package-lambda $<TARGET_FILE:bootstrap>)
endif()

file(GLOB fuzzers RELATIVE ${CMAKE_SOURCE_DIR}/tests/fuzz CONFIGURE_DEPENDS tests/fuzz/*.c)
foreach(file IN LISTS fuzzers)
  string(REGEX REPLACE "\\.c$" "" stem ${file})
  string(REGEX REPLACE "^fuzz_" "" name ${stem})
  add_executable(corpus_${name} tests/fuzz/${file} cmake/fuzz_corpus.c)
  target_link_libraries(corpus_${name} PRIVATE hd_app hd_serverless hd_assets)
  set_target_properties(corpus_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME fuzz.${name} COMMAND corpus_${name} tests/fuzz/corpus/${stem})
  hd_test_properties(fuzz.${name} fuzz ${test_timeout_s})
endforeach()

file(GLOB checks RELATIVE ${CMAKE_SOURCE_DIR}/tests/checks CONFIGURE_DEPENDS tests/checks/*.py)
foreach(file IN LISTS checks)
  string(REGEX REPLACE "\\.py$" "" name ${file})
  add_test(NAME checks.${name} COMMAND ${Python3_EXECUTABLE} tests/checks/${file})
  hd_test_properties(checks.${name} check ${test_timeout_s})
endforeach()

file(GLOB e2e RELATIVE ${CMAKE_SOURCE_DIR}/tests/e2e CONFIGURE_DEPENDS tests/e2e/*.test.mjs)
if(e2e AND TARGET helpdesk)
  # Looked up by the tests at run time: a build without node is fine.
  if(EXISTS ${CMAKE_SOURCE_DIR}/tests/e2e/package.json)
    add_test(NAME e2e.packages COMMAND ${CMAKE_SOURCE_DIR}/scripts/npm-ci tests/e2e)
    hd_test_properties(e2e.packages e2e ${e2e_timeout_s})
    set_tests_properties(e2e.packages PROPERTIES FIXTURES_SETUP e2e_packages)
  endif()
  foreach(file IN LISTS e2e)
    string(REGEX REPLACE "\\.test\\.mjs$" "" name ${file})
    add_test(NAME e2e.${name} COMMAND node --test --test-reporter=spec tests/e2e/${file})
    set(label e2e)
    if(name MATCHES "browser|page|ui")
      list(APPEND label browser) # left out where a browser would be too slow: ctest -LE browser
    endif()
    hd_test_properties(e2e.${name} "${label}" ${e2e_timeout_s})
    set_tests_properties(e2e.${name} PROPERTIES RUN_SERIAL ON FIXTURES_REQUIRED e2e_packages)
    set_property(TEST e2e.${name} APPEND PROPERTY ENVIRONMENT HELPDESK_BINARY=$<TARGET_FILE:helpdesk>)
  endforeach()
  hd_emulated_test(aws.ses e2e -- node --test --test-reporter=spec tests/aws/ses.test.mjs)
  hd_emulated_test(aws.serve e2e --sqs elasticmq --movable-clock -- node --test --test-reporter=spec tests/aws/serve.test.mjs)
  foreach(name aws.ses aws.serve)
    set_tests_properties(${name} PROPERTIES RUN_SERIAL ON FIXTURES_REQUIRED "emulators;e2e_packages")
    set_property(TEST ${name} APPEND PROPERTY ENVIRONMENT HELPDESK_BINARY=$<TARGET_FILE:helpdesk>)
  endforeach()
endif()
