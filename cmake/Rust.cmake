# besa_rust_staticlib(<target> CRATE_DIR <dir> LIBRARY <crate name> SOURCES <files of the crate>)
# A crate of crate-type "staticlib" as an imported library; its C header lies in CRATE_DIR.
#
# Cargo builds into one folder for all clones and build trees (BESA_CARGO_TARGET_DIR), so a fresh tree compiles none of
# the crates it depends on again. The lock keeps two trees from copying each other's library.
find_program(BESA_CARGO cargo HINTS $ENV{HOME}/.cargo/bin)
find_program(BESA_FLOCK flock REQUIRED)
if(NOT BESA_CARGO)
  message(FATAL_ERROR "cargo is missing. Run cmake/setup.sh (or `make setup`) first.")
endif()
if(DEFINED ENV{BESA_DEPS})
  set(default_cargo_target_dir $ENV{BESA_DEPS}/cargo)
else()
  set(default_cargo_target_dir $ENV{HOME}/.cache/besa/cargo)
endif()
set(BESA_CARGO_TARGET_DIR ${default_cargo_target_dir} CACHE PATH "Where cargo keeps what it built")

function(besa_rust_staticlib target)
  cmake_parse_arguments(ARG "" "CRATE_DIR;LIBRARY" "SOURCES" ${ARGN})
  set(built ${BESA_CARGO_TARGET_DIR}/release/lib${ARG_LIBRARY}.a)
  set(library ${CMAKE_CURRENT_BINARY_DIR}/lib${ARG_LIBRARY}.a)
  file(MAKE_DIRECTORY ${BESA_CARGO_TARGET_DIR})
  list(TRANSFORM ARG_SOURCES PREPEND ${ARG_CRATE_DIR}/)
  add_custom_command(
      OUTPUT ${library}
      COMMAND ${CMAKE_COMMAND} -E env CARGO_TARGET_DIR=${BESA_CARGO_TARGET_DIR} ${BESA_FLOCK} ${BESA_CARGO_TARGET_DIR}/besa.lock
              sh -c "\"$1\" build --quiet --release --locked --manifest-path \"$2\" && cp \"$3\" \"$4\"" sh
              ${BESA_CARGO} ${ARG_CRATE_DIR}/Cargo.toml ${built} ${library}
      DEPENDS ${ARG_SOURCES}
      COMMENT "cargo build ${ARG_LIBRARY}" VERBATIM)
  add_custom_target(${target}_cargo DEPENDS ${library})
  add_library(${target} STATIC IMPORTED GLOBAL)
  add_dependencies(${target} ${target}_cargo)
  set_target_properties(${target} PROPERTIES
      IMPORTED_LOCATION ${library}
      INTERFACE_INCLUDE_DIRECTORIES ${ARG_CRATE_DIR}
      INTERFACE_LINK_LIBRARIES "Threads::Threads;${CMAKE_DL_LIBS};m")
endfunction()
