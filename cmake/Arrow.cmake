# besa::arrow: Arrow C++ from the pyarrow wheel (files and object stores).
set(arrow_dir ${BESA_SITE_PACKAGES}/pyarrow)
add_library(besa_arrow SHARED IMPORTED)
add_library(besa::arrow ALIAS besa_arrow)
file(REAL_PATH ${arrow_dir}/libarrow.so arrow_library)
set_target_properties(besa_arrow PROPERTIES
    IMPORTED_LOCATION ${arrow_library}
    INTERFACE_INCLUDE_DIRECTORIES ${arrow_dir}/include
    INTERFACE_SYSTEM_INCLUDE_DIRECTORIES ${arrow_dir}/include)
