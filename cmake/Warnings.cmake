# besa::warnings: the warnings every target of ours is built with. Other people's headers are SYSTEM and exempt.
add_library(besa_warnings INTERFACE)
add_library(besa::warnings ALIAS besa_warnings)
target_compile_options(besa_warnings INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wunused -Werror
    # GCC 12 reports these falsely from inside std::string and absl::StatusOr once they are inlined.
    -Wno-maybe-uninitialized -Wno-restrict -Wno-array-bounds -Wno-stringop-overflow -Wno-stringop-overread
    # Designated initialisers that leave defaulted members out are meant so.
    -Wno-missing-field-initializers>)
