# Other people's libraries as imported targets. What is installed, and in which version, stands in
# cmake/dependencies/; cmake/setup.sh installs it.
set(BESA_VENV ${CMAKE_SOURCE_DIR}/.deps/venv)
if(NOT EXISTS ${BESA_VENV})
  message(FATAL_ERROR "${BESA_VENV} is missing. Run cmake/setup.sh (or `make setup`) first.")
endif()
file(REAL_PATH ${BESA_VENV} BESA_VENV)
# The S3 server of tests, if cmake/setup.sh could build it.
set(BESA_S3_SERVER ${CMAKE_SOURCE_DIR}/.deps/bin/versitygw)
file(GLOB BESA_SITE_PACKAGES ${BESA_VENV}/lib/python3*/site-packages)

find_package(Threads REQUIRED)
find_package(Protobuf REQUIRED)
find_package(absl REQUIRED CONFIG)
find_package(gRPC REQUIRED CONFIG)
find_package(prometheus-cpp REQUIRED CONFIG)
find_package(GTest REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(spdlog REQUIRED)
find_package(CLI11 REQUIRED)
find_package(ZLIB REQUIRED)
find_package(LibLZMA REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(zstd REQUIRED IMPORTED_TARGET libzstd)

include(Arrow)
include(LibTorch)
