# besa::arrow: Arrow C++ from the pyarrow wheel (files). besa::arrow_s3: its S3 module, which carries the AWS SDK.
set(arrow_dir ${BESA_SITE_PACKAGES}/pyarrow)
foreach(name arrow arrow_s3)
  add_library(besa_${name} SHARED IMPORTED)
  add_library(besa::${name} ALIAS besa_${name})
  file(REAL_PATH ${arrow_dir}/lib${name}.so arrow_library)
  set_target_properties(besa_${name} PROPERTIES
      IMPORTED_LOCATION ${arrow_library}
      INTERFACE_INCLUDE_DIRECTORIES ${arrow_dir}/include
      INTERFACE_SYSTEM_INCLUDE_DIRECTORIES ${arrow_dir}/include)
endforeach()
target_link_libraries(besa_arrow_s3 INTERFACE besa_arrow)
