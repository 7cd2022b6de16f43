# -DBESA_SANITIZE=address,undefined (or thread) builds everything with those sanitizers. `make sanitize` runs them.
set(BESA_SANITIZE "" CACHE STRING "Comma-separated list for -fsanitize=, empty for none")
if(BESA_SANITIZE)
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${BESA_SANITIZE}>
                      # -O1: stacks that can be read, and a shorter build.
                      $<$<COMPILE_LANGUAGE:CXX>:-fno-omit-frame-pointer> $<$<COMPILE_LANGUAGE:CXX>:-O1>)
  add_link_options(-fsanitize=${BESA_SANITIZE})
endif()
