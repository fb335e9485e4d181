# The files that the binary carries: schemas, templates and the built page. Library hd_assets, interface base/assets.h.
# Any new file under the globbed folders is embedded by itself; a new folder is one more line in scripts/embed-assets.py and here.

option(HELPDESK_UI "Build the page (frontend/) and embed it" ON)

set(assets_dir ${CMAKE_BINARY_DIR}/assets)
set(embed ${CMAKE_SOURCE_DIR}/scripts/embed-assets.py)
file(GLOB asset_inputs CONFIGURE_DEPENDS schemas/openapi.yaml schemas/events/*.json)
file(GLOB_RECURSE asset_templates CONFIGURE_DEPENDS templates/*)
list(APPEND asset_inputs ${asset_templates})
set(embed_ui)

if(HELPDESK_UI AND EXISTS ${CMAKE_SOURCE_DIR}/frontend/package.json)
  file(GLOB frontend_inputs CONFIGURE_DEPENDS frontend/*.json frontend/*.ts frontend/*.js frontend/*.mjs frontend/*.cjs frontend/*.html)
  file(GLOB_RECURSE frontend_sources CONFIGURE_DEPENDS frontend/src/* frontend/public/*)
  list(FILTER frontend_sources EXCLUDE REGEX "/src/api/schema\\.d\\.ts$") # made by the build, out of openapi.yaml
  # A list of the inputs is one of them: what is removed counts as a change.
  file(CONFIGURE OUTPUT ${assets_dir}/frontend-inputs.txt CONTENT "${frontend_inputs};${frontend_sources}")
  # One frontend/dist for all flavors: the script compares the inputs' hash with that of the last build and mostly has nothing to do.
  add_custom_command(
    OUTPUT ${assets_dir}/frontend.stamp
    COMMAND ${CMAKE_COMMAND} -E make_directory ${assets_dir}
    COMMAND ${CMAKE_SOURCE_DIR}/scripts/build-frontend
    COMMAND ${CMAKE_COMMAND} -E touch ${assets_dir}/frontend.stamp
    DEPENDS ${frontend_inputs} ${frontend_sources} ${assets_dir}/frontend-inputs.txt ${CMAKE_SOURCE_DIR}/schemas/openapi.yaml
            ${CMAKE_SOURCE_DIR}/scripts/build-frontend ${CMAKE_SOURCE_DIR}/scripts/npm-ci
    COMMENT "Building the page (frontend/dist)"
    VERBATIM)
  list(APPEND asset_inputs ${assets_dir}/frontend.stamp)
  set(embed_ui --ui ${CMAKE_SOURCE_DIR}/frontend/dist)
endif()

file(CONFIGURE OUTPUT ${assets_dir}/inputs.txt CONTENT "${asset_inputs}")
add_custom_command(
  OUTPUT ${assets_dir}/assets_data.S ${assets_dir}/assets_table.c
  COMMAND ${Python3_EXECUTABLE} ${embed} --source ${CMAKE_SOURCE_DIR} --out ${assets_dir} ${embed_ui}
  DEPENDS ${embed} ${asset_inputs} ${assets_dir}/inputs.txt
  COMMENT "Embedding assets"
  VERBATIM)

# assets_data.S changes whenever an asset does (it names their hashes), which is how the .incbin lines are noticed.
add_library(hd_assets STATIC base/assets.c ${assets_dir}/assets_table.c ${assets_dir}/assets_data.S)
