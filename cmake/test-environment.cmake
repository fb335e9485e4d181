# Read by ctest as it starts: what the caller has set stays.
if(NOT DEFINED ENV{HELPDESK_SUITES_DIR})
  get_filename_component(suites ${CMAKE_CURRENT_LIST_DIR}/../../shared/data ABSOLUTE)
  set(ENV{HELPDESK_SUITES_DIR} ${suites})
endif()
