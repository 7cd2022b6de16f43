# -DBESA_SANITIZE=address,undefined (or thread) builds everything with those sanitizers. `make sanitize` runs them.
set(BESA_SANITIZE "" CACHE STRING "Comma-separated list for -fsanitize=, empty for none")
if(BESA_SANITIZE)
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${BESA_SANITIZE}>
                      $<$<COMPILE_LANGUAGE:CXX>:-fno-omit-frame-pointer>)
  add_link_options(-fsanitize=${BESA_SANITIZE})
endif()
