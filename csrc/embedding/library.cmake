# libbloodcell: the layer embedding on images and statistics, and what `cmake --install` installs.

# The schemes that come with bloodcell become part of the library, so that it needs no folder of its
# own.
file(GLOB scheme_files CONFIGURE_DEPENDS bloodcell/schemes/*.toml)
set(SHIPPED_SCHEMES "")
foreach(file ${scheme_files})
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
  get_filename_component(name ${file} NAME_WE)
  file(READ ${file} text)
  string(APPEND SHIPPED_SCHEMES "    if (name == \"${name}\") return R\"scheme(${text})scheme\";\n")
endforeach()
configure_file(csrc/embedding/src/shipped_schemes.cpp.in shipped_schemes.cpp @ONLY)

add_layer(embedding
  border.cpp
  card.cpp
  exported.cpp
  log.cpp
  model.cpp
  network.cpp
  network_input.cpp
  patient_counts.cpp
  probabilities.cpp
  resampling.cpp
  review.cpp
  scheme.cpp
  sha256.cpp
  texts.cpp
  utf8.cpp
  toml_implementation.cpp
  toml_reading.cpp)
target_sources(bloodcell_embedding PRIVATE ${CMAKE_CURRENT_BINARY_DIR}/shipped_schemes.cpp)
target_include_directories(bloodcell_embedding PRIVATE csrc/embedding/src)
# SYSTEM: their warnings are their authors'.
target_include_directories(bloodcell_embedding SYSTEM PRIVATE
  csrc/third_party/onnxruntime csrc/third_party/tomlplusplus)
target_compile_definitions(bloodcell_embedding PRIVATE BLOODCELL_VERSION="${PROJECT_VERSION}")
# Others' code, and by far the slowest to compile: neither optimised nor sanitised.
set_source_files_properties(csrc/embedding/src/toml_implementation.cpp
  PROPERTIES COMPILE_OPTIONS "-O0;-fno-sanitize=all")
# A product and a sum in one step would round once where DALI rounds twice.
target_compile_options(bloodcell_embedding PRIVATE -ffp-contract=off)
target_link_libraries(bloodcell_embedding
  PUBLIC bloodcell_images bloodcell_statistics PRIVATE ${CMAKE_DL_LIBS})

if(NOT BLOODCELL_BUILD_LIBRARY)
  return()
endif()

include(CMakePackageConfigHelpers)
include(GNUInstallDirs)
find_package(Threads REQUIRED)

set(header csrc/embedding/include/bloodcell.h)
file(STRINGS ${header} abi_version REGEX "define BLOODCELL_ABI_VERSION")
string(REGEX MATCH "[0-9]+" abi_version "${abi_version}")
set(symbols ${CMAKE_CURRENT_SOURCE_DIR}/csrc/embedding/exported.map)

add_library(bloodcell SHARED $<TARGET_OBJECTS:bloodcell_embedding>)
add_library(bloodcell::bloodcell ALIAS bloodcell)
target_include_directories(bloodcell INTERFACE
  $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/csrc/embedding/include>
  $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_link_libraries(bloodcell
  PRIVATE bloodcell_images bloodcell_statistics Threads::Threads ${CMAKE_DL_LIBS})
# Nothing of the layers or of the standard library's templates is seen from outside.
target_link_options(bloodcell PRIVATE LINKER:--version-script=${symbols})
set_target_properties(bloodcell PROPERTIES
  VERSION ${abi_version}.${PROJECT_VERSION} SOVERSION ${abi_version} LINK_DEPENDS ${symbols})

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/bloodcell)
write_basic_package_version_file(bloodcell-config-version.cmake COMPATIBILITY SameMinorVersion)
# As deep as Debian's lib/x86_64-linux-gnu too.
file(RELATIVE_PATH prefix_from_package
  ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
configure_file(csrc/embedding/bloodcell.pc.in bloodcell.pc @ONLY)
install(TARGETS bloodcell EXPORT bloodcell)
install(FILES ${header} TYPE INCLUDE)
install(EXPORT bloodcell NAMESPACE bloodcell:: FILE bloodcell-config.cmake DESTINATION ${package})
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/bloodcell-config-version.cmake DESTINATION ${package})
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/bloodcell.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(FILES LICENSE TYPE DOC)
foreach(name xxhash onnxruntime tomlplusplus)
  install(FILES csrc/third_party/${name}/LICENSE TYPE DOC RENAME LICENSE.${name})
endforeach()
