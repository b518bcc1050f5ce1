# What `make install` installs: the program, its manual, two libraries with their headers, and what other
# builds need to find them.
#
#   libncc_runtime.a   for firmware: kpu, kmodel, runtime; freestanding
#   libncc.a           for hosts: the compiler and the simulator; needs libncc_runtime.a

# ncc_archive(name parts): one static library out of several.
function(ncc_archive name)
  set(objects)
  foreach(part ${ARGN})
    list(APPEND objects $<TARGET_OBJECTS:${part}>)
  endforeach()
  add_library(${name}_archive STATIC ${objects})
  set_target_properties(${name}_archive PROPERTIES OUTPUT_NAME ${name} LINKER_LANGUAGE C
                        ARCHIVE_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
  install(TARGETS ${name}_archive ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
endfunction()

ncc_archive(ncc_runtime ncc_kpu ncc_kmodel ncc_runtime)
ncc_archive(ncc ncc_base ncc_sim ncc_data ncc_ir ncc_ops ncc_import ncc_caffe_schema ncc_onnx_schema ncc_pass
            ncc_quant ncc_k210 ncc_plan ncc_emit ncc_report ncc_compiler)

install(TARGETS ncc RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY include/ncc DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES runtime/device.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/ncc)
install(FILES doc/ncc.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)

foreach(name ncc ncc-runtime)
  configure_file(cmake/${name}.pc.in ${name}.pc @ONLY)
  install(FILES ${CMAKE_BINARY_DIR}/${name}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()

include(CMakePackageConfigHelpers)
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/ncc)
configure_package_config_file(cmake/nccConfig.cmake.in nccConfig.cmake INSTALL_DESTINATION ${package}
                              PATH_VARS CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_INCLUDEDIR)
write_basic_package_version_file(nccConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/nccConfig.cmake ${CMAKE_BINARY_DIR}/nccConfigVersion.cmake DESTINATION ${package})
