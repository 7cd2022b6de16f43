# besa::parquet: the parquet reader of Arrow C++, from the pyarrow wheel. Its page formats and codecs are in besa::arrow.
add_library(besa_parquet SHARED IMPORTED)
add_library(besa::parquet ALIAS besa_parquet)
file(REAL_PATH ${arrow_dir}/libparquet.so parquet_library)
set_target_properties(besa_parquet PROPERTIES IMPORTED_LOCATION ${parquet_library})
target_link_libraries(besa_parquet INTERFACE besa_arrow)
