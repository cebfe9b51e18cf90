#!/bin/sh
# Installs libstrata with all that programs need to use it: install_library.sh BUILD TARGET VERSION
#
# Everything finds its place by where it stands itself, so the whole of TARGET may be moved.
set -eu
build=$1
target=$2
version=$3
major=${version%%.*}
rest=${version#*.}
minor=${rest%%.*}

install -D -m 644 include/strata/strata.h "$target/include/strata/strata.h"
install -D -m 644 "$build/libstrata.a" "$target/lib/libstrata.a"
install -D -m 755 "$build/libstrata.so.$version" "$target/lib/libstrata.so.$version"
ln -sf "libstrata.so.$version" "$target/lib/libstrata.so.$major"
ln -sf "libstrata.so.$major" "$target/lib/libstrata.so"

mkdir -p "$target/lib/pkgconfig" "$target/lib/cmake/Strata" "$target/share/man/man1" "$target/share/man/man3" \
    "$target/share/doc/strata/examples"

cat >"$target/lib/pkgconfig/strata.pc" <<END
prefix=\${pcfiledir}/../..
includedir=\${prefix}/include
libdir=\${prefix}/lib

Name: strata
Description: a cache in your own process
Version: $version
Cflags: -I\${includedir}
Libs: -L\${libdir} -lstrata
Libs.private: -pthread -lm
END

cat >"$target/lib/cmake/Strata/StrataConfig.cmake" <<END
# Strata::strata is the shared library, Strata::strata_static the static one.
get_filename_component(_strata_prefix "\${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
if(NOT TARGET Strata::strata)
  add_library(Strata::strata SHARED IMPORTED)
  set_target_properties(Strata::strata PROPERTIES
    IMPORTED_LOCATION "\${_strata_prefix}/lib/libstrata.so.$version"
    IMPORTED_SONAME "libstrata.so.$major"
    INTERFACE_INCLUDE_DIRECTORIES "\${_strata_prefix}/include")
  add_library(Strata::strata_static STATIC IMPORTED)
  set_target_properties(Strata::strata_static PROPERTIES
    IMPORTED_LOCATION "\${_strata_prefix}/lib/libstrata.a"
    INTERFACE_INCLUDE_DIRECTORIES "\${_strata_prefix}/include"
    INTERFACE_LINK_LIBRARIES "-pthread;-lm")
endif()
set(Strata_FOUND TRUE)
END

# Until 1.0 every minor version may change what programs see.
cat >"$target/lib/cmake/Strata/StrataConfigVersion.cmake" <<END
set(PACKAGE_VERSION "$version")
set(PACKAGE_VERSION_COMPATIBLE FALSE)
set(PACKAGE_VERSION_EXACT FALSE)
if("\${PACKAGE_FIND_VERSION_MAJOR}.\${PACKAGE_FIND_VERSION_MINOR}" STREQUAL "$major.$minor" AND
   NOT "\${PACKAGE_FIND_VERSION}" VERSION_GREATER "$version")
  set(PACKAGE_VERSION_COMPATIBLE TRUE)
endif()
if("\${PACKAGE_FIND_VERSION}" STREQUAL "$version")
  set(PACKAGE_VERSION_EXACT TRUE)
endif()
END

install -m 644 docs/man/strata.1 "$target/share/man/man1/strata.1"
python3 tools/gen_man.py include/strata/strata.h "$target/share/man/man3"
install -m 644 examples/* "$target/share/doc/strata/examples/"
