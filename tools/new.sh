#!/bin/sh
# Starts a module: new.sh FOLDER/MODULE writes header, source and test and adds them to the folder's meson.build.
set -eu
cd "$(dirname "$0")/.."
. tools/packages.sh

wanted=$1
module=${wanted##*/}
folder=${wanted%/*}
[ "$module" != "$wanted" ] || die 'name the folder too, such as core/store/wheel'
echo "$module" | grep -qx '[a-z][a-z0-9_]*' || die "$module: a module's name is lower case letters, digits and _"
# store/wheel means core/store/wheel: the folder is found by its end.
if [ ! -d "src/$folder" ]; then
    found=$(cd src && find . -mindepth 1 -type d -path "*/$folder" | sed 's|^\./||')
    [ "$(echo "$found" | grep -c .)" -eq 1 ] || die "there is no folder src/$folder; list a new one in src/meson.build first"
    folder=$found
fi
base=src/$folder/$module
for file in "$base.h" "$base.c" "${base}_test.c"; do
    [ ! -e "$file" ] || die "$file is there already"
done
guard=$(echo "STRATA_${folder}_${module}_H" | tr 'a-z/' 'A-Z_')

cat >"$base.h" <<END
/* $folder/$module.h: what a $module is, in one sentence.
 *
 * What it does for its callers, in another; a drawing if it has a shape.
 *
 * Threads: owned by one thread.
 * Memory:  allocates nothing.
 * Always:  what holds between any two calls; ${module}_verify asserts it.
 */
#ifndef $guard
#define $guard

#include <stddef.h>

struct $module {
    size_t count;
    size_t count_max;
};

void ${module}_init(struct $module *$module, size_t count_max);

void ${module}_verify(const struct $module *$module);

#endif
END

cat >"$base.c" <<END
#include "$folder/$module.h"

#include "base/assert.h"

void ${module}_init(struct $module *$module, size_t count_max) {
    *$module = (struct $module){.count_max = count_max};
}

void ${module}_verify(const struct $module *$module) { ASSERT($module->count <= $module->count_max); }
END

cat >"${base}_test.c" <<END
/* What the tests of $folder/$module.h have in common, in one sentence. */
#include "unit.h"

#include "$folder/$module.h"

static void new_one_is_valid(void **state) {
    struct $module $module;
    ${module}_init(&$module, 10);
    ${module}_verify(&$module);
}

static void what_it_promises_holds(void **state) { fail_msg("write down as a test what $module promises"); }

UNIT_TESTS($module, UNIT(new_one_is_valid), UNIT(what_it_promises_holds));
END

if command -v clang-format >/dev/null 2>&1; then
    clang-format -i "$base.h" "$base.c" "${base}_test.c"
fi

# build_line VARIABLE FILE: adds a file to a list of the folder's meson.build.
build_line() {
    build=src/$folder/meson.build
    if grep -q "^$1 = files(" "$build"; then
        sed "s/^$1 = files(/$1 = files('$2', /; s/, \$/,/" "$build" >"$build.new"
        mv "$build.new" "$build"
    else
        echo "$1 = files('$2')" >>"$build"
    fi
}
build_line sources "$module.c"
build_line tests "${module}_test.c"
if [ "$folder" != base ] && ! grep -q "^uses = .*'base'" "src/$folder/meson.build"; then
    say "src/$folder/meson.build does not use base: the skeleton's ASSERT needs it"
fi
say "wrote $base.h, $base.c and ${base}_test.c; ./dev test $module runs its tests"
