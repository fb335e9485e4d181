# Libraries out of folders. Files are found by globs that the build checks again by itself (CONFIGURE_DEPENDS): adding a file is all there is to do.

# hd_floor(<library> [SOURCES file…] [USES library…]): a static library, or an empty one while the folder has no sources.
function(hd_floor name)
  cmake_parse_arguments(PARSE_ARGV 1 floor "" "" "SOURCES;USES")
  if(floor_SOURCES)
    add_library(${name} STATIC ${floor_SOURCES})
    target_link_libraries(${name} PUBLIC ${floor_USES})
  else()
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE ${floor_USES})
  endif()
endfunction()

# hd_sources(<variable> <glob>…): the files without *_test.c.
function(hd_sources ret)
  file(GLOB files CONFIGURE_DEPENDS ${ARGN})
  list(FILTER files EXCLUDE REGEX "_test\\.c$")
  set(${ret} ${files} PARENT_SCOPE)
endfunction()
