#!/bin/sh
# Makes libstrata of the folders' archives: link_library.sh STATIC SHARED SONAME LTO CC... -- FOLDER.a OTHER.a ...
#
# All objects become one, in which only strata_* stays visible; with LTO (yes or no) it is optimised as a whole and holds
# machine code, so that it links into programs that know nothing of it. FOLDER.a is taken whole, of the others what it needs.
set -eu
static=$1
shared=$2
soname=$3
lto=$4
shift 4
cc=
while [ "$1" != -- ]; do
    cc="$cc $1"
    shift
done
shift
folder=$1
shift
flags='-O2 -fPIC -fvisibility=hidden -fno-strict-aliasing'
[ "$lto" = no ] || flags="$flags -flto=2 -flinker-output=nolto-rel"
object=$static.o
# shellcheck disable=SC2086
$cc -r -nostdlib $flags -o "$object" -Wl,--whole-archive "$folder" -Wl,--no-whole-archive -Wl,--start-group "$@" -Wl,--end-group
"${OBJCOPY:-objcopy}" --wildcard --keep-global-symbol='strata_*' "$object"
rm -f "$static"
"${AR:-ar}" crs "$static" "$object"
# A thread's end and a fork call into the library, so it stays loaded once it is.
# shellcheck disable=SC2086
$cc -shared -o "$shared" "$object" -Wl,-soname,"$soname" -Wl,-z,nodelete -Wl,-z,relro -Wl,-z,now -Wl,--no-undefined -pthread -Wl,--as-needed -lm
