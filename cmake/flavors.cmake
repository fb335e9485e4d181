# What each flavor (the preset of the same name) compiles and links with. NDEBUG is in none: asserts stay on, in the shipped binary, too.

set(HELPDESK_FLAVOR release CACHE STRING "release, dev, asan, tsan, coverage, fuzz or lint")
set(flavors release dev asan tsan coverage fuzz lint)
set_property(CACHE HELPDESK_FLAVOR PROPERTY STRINGS ${flavors})
if(NOT HELPDESK_FLAVOR IN_LIST flavors)
  message(FATAL_ERROR "HELPDESK_FLAVOR is \"${HELPDESK_FLAVOR}\"; it must be one of: ${flavors}")
endif()
if(CMAKE_BUILD_TYPE)
  message(FATAL_ERROR "Leave CMAKE_BUILD_TYPE empty: the flags come from HELPDESK_FLAVOR (cmake --preset ${HELPDESK_FLAVOR})")
endif()

option(HELPDESK_WERROR "Warnings are errors" ON)
option(HELPDESK_LTO "Link-time optimisation of the release flavor (slower builds)" OFF)

set(sanitize_address -fsanitize=address,undefined -fno-sanitize-recover=all)

set(compile_release
    -O2
    -g
    -U_FORTIFY_SOURCE
    -D_FORTIFY_SOURCE=2
    -fstack-protector-strong
    -fstack-clash-protection)
set(link_release -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)
set(compile_dev -Og -g)
set(compile_lint -Og)
set(compile_asan -O1 -g -fno-omit-frame-pointer ${sanitize_address})
set(link_asan ${sanitize_address})
set(compile_tsan -O1 -g -fno-omit-frame-pointer -fsanitize=thread)
set(link_tsan -fsanitize=thread)
set(compile_coverage -O0 -g --coverage)
set(link_coverage --coverage)
set(compile_fuzz -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link ${sanitize_address})
set(link_fuzz ${sanitize_address})

set(warnings -Wall -Wextra -Wpedantic -Wconversion -Wshadow)
if(HELPDESK_WERROR)
  list(APPEND warnings -Werror)
endif()
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
  # A text that is cut at the end of its field (an error's detail, a log line) is meant to be.
  list(APPEND warnings -Wno-format-truncation)
  if(HELPDESK_FLAVOR MATCHES "^(asan|tsan|coverage)$")
    list(APPEND warnings -Wno-maybe-uninitialized -Wno-stringop-overflow) # gcc's false alarms in instrumented code
  endif()
else()
  list(APPEND warnings -Wno-gnu-statement-expression -Wno-gnu-zero-variadic-macro-arguments)
endif()

add_compile_definitions(_GNU_SOURCE)
include_directories(${CMAKE_SOURCE_DIR})
add_compile_options(
  -fPIE
  -fmacro-prefix-map=${CMAKE_SOURCE_DIR}/=
  ${compile_${HELPDESK_FLAVOR}}
  "$<$<COMPILE_LANGUAGE:C>:-std=gnu17;${warnings}>")
add_link_options(-pie -Wl,--as-needed ${link_${HELPDESK_FLAVOR}})
if(HELPDESK_LTO AND HELPDESK_FLAVOR STREQUAL "release")
  set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ON)
endif()
