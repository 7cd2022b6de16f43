# besa_proto_library(<target> IMPORT_DIR <dir> PROTOS <path under dir>... [GRPC])
# C++ (and with GRPC service stubs) from .proto files, generated into the build tree as <build>/gen/<path>.
get_target_property(BESA_GRPC_PLUGIN gRPC::grpc_cpp_plugin IMPORTED_LOCATION_NONE)
if(NOT BESA_GRPC_PLUGIN)
  find_program(BESA_GRPC_PLUGIN grpc_cpp_plugin REQUIRED)
endif()
set(BESA_GENERATED ${CMAKE_BINARY_DIR}/gen)
file(MAKE_DIRECTORY ${BESA_GENERATED})

function(besa_proto_library target)
  cmake_parse_arguments(ARG "GRPC" "IMPORT_DIR" "PROTOS;DEPS" ${ARGN})
  set(sources)
  foreach(proto ${ARG_PROTOS})
    string(REGEX REPLACE "\\.proto$" "" stem ${proto})
    set(outputs ${BESA_GENERATED}/${stem}.pb.cc ${BESA_GENERATED}/${stem}.pb.h)
    set(flags --cpp_out=${BESA_GENERATED})
    if(ARG_GRPC)
      list(APPEND outputs ${BESA_GENERATED}/${stem}.grpc.pb.cc ${BESA_GENERATED}/${stem}.grpc.pb.h)
      list(APPEND flags --grpc_out=${BESA_GENERATED} --plugin=protoc-gen-grpc=${BESA_GRPC_PLUGIN})
    endif()
    add_custom_command(
        OUTPUT ${outputs}
        COMMAND protobuf::protoc -I ${ARG_IMPORT_DIR} -I ${BESA_SITE_PACKAGES} ${flags} ${ARG_IMPORT_DIR}/${proto}
        DEPENDS ${ARG_IMPORT_DIR}/${proto}
        COMMENT "protoc ${proto}" VERBATIM)
    list(APPEND sources ${outputs})
  endforeach()
  add_library(${target} STATIC ${sources})
  target_include_directories(${target} SYSTEM PUBLIC ${BESA_GENERATED})
  target_link_libraries(${target} PUBLIC protobuf::libprotobuf ${ARG_DEPS})
  if(ARG_GRPC)
    target_link_libraries(${target} PUBLIC gRPC::grpc++)
  endif()
endfunction()
