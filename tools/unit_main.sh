#!/bin/sh
# Writes the main file of a folder's unit tests: unit_main.sh OUTPUT TEST.c ...
# Each TEST.c ends with UNIT_TESTS(module, ...), see test/unit/unit.h.
set -eu
output=$1
shift
{
    echo '#include "unit.h"'
    for file in "$@"; do
        module=$(basename "$file" _test.c)
        echo "extern const struct unit_group unit_group_$module;"
    done
    echo 'static const struct unit_group *const groups[] = {'
    for file in "$@"; do
        echo "    &unit_group_$(basename "$file" _test.c),"
    done
    echo '};'
    echo 'int main(int argc, char **argv) { return unit_main(argc, argv, groups, sizeof groups / sizeof *groups); }'
} >"$output"
