# Compiler defaults: C++20, optimised with symbols, ccache in front of every compiler, mold as the linker.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CUDA_STANDARD 20)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Debug, Release, RelWithDebInfo" FORCE)
endif()
# Assertions stay on in every build: a broken invariant must stop a run, not corrupt a checkpoint. Written out, because
# CMake's own flags are there from the second run on, and everything would be compiled again.
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1")

find_program(BESA_CCACHE ccache)
if(BESA_CCACHE)
  set(BESA_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      CCACHE_NOHASHDIR=1 CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} ${BESA_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${BESA_COMPILER_LAUNCHER})
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${BESA_COMPILER_LAUNCHER})
endif()

find_program(BESA_MOLD mold)
if(BESA_MOLD)
  add_link_options(-fuse-ld=mold)
endif()

# Two jobs that link LibTorch at once fit in memory; more gain nothing.
set_property(GLOBAL PROPERTY JOB_POOLS link_pool=2)
set(CMAKE_JOB_POOL_LINK link_pool)
