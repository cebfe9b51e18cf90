#!/usr/bin/env python3
"""Holds every include under src against the layers; runs when a build is configured, before each build and in ./dev check.

A file may include from its own folder and from the folders that its meson.build names in `uses`. A folder may only use
folders that stand before it in src/meson.build, and none of a higher stratum: base < core < sys < app. base and core
include no system headers but those that compute.
"""

import re
import sys

from tree import ROOT, SRC, STRATA, Complaints, folders, uses

INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]')
TEST_FILE = re.compile(r"(_(test|fuzz|bench|fixture)|(^|_)testing)\.[ch]$")

# Headers that compute on what they are handed; none reaches the kernel.
COMPUTING = {
    "assert.h", "byteswap.h", "ctype.h", "endian.h", "errno.h", "float.h", "immintrin.h", "inttypes.h", "limits.h",
    "locale.h", "math.h", "stdalign.h", "stdarg.h", "stdatomic.h", "stdbool.h", "stddef.h", "stdint.h",
    "stdnoreturn.h", "string.h", "strings.h", "xxhash.h",
    "stdio.h",  # snprintf; tools/check/purity.py sees to it that nothing else of it is called
    "stdlib.h",  # strtod and the like; the same
}


def stratum(folder):
    return STRATA.index(folder.split("/")[0])


def check_folders(known, complaints):
    for place, folder in enumerate(known):
        build = SRC / folder / "meson.build"
        for used in uses(folder):
            if used not in known:
                complaints.add(build, 0, f"uses {used}, which src/meson.build does not list")
            elif stratum(used) > stratum(folder):
                complaints.add(build, 0, f"{folder} may not use {used}: {used.split('/')[0]} is the higher stratum. "
                               "Hand what is needed in as an argument or a struct of calls")
            elif known.index(used) >= place:
                complaints.add(build, 0, f"{folder} may not use {used}, which does not stand before it in src/meson.build")
    for path in sorted(SRC.rglob("*.[ch]")):
        folder = str(path.parent.relative_to(SRC))
        if folder not in known:
            complaints.add(path, 0, f"is in no folder of src/meson.build; list {folder} there, with its uses")


def check_own_include(path, number, folder, name, complaints):
    used = name.rsplit("/", 1)[0] if "/" in name else ""
    if TEST_FILE.search(path.name) and (ROOT / "test/unit" / name).is_file():
        return  # what tests share
    if not used:
        complaints.add(path, number, f'write the whole path: #include "{folder}/{name}"')
    elif used != folder and used not in uses(folder):
        complaints.add(path, number, f"{folder} does not use {used}. If {used} is a lower layer, add it to `uses` in "
                       f"src/{folder}/meson.build; if not, hand what is needed in as an argument or a struct of calls")


def check_system_include(path, number, folder, name, complaints):
    if TEST_FILE.search(path.name):
        return
    if stratum(folder) <= STRATA.index("core") and name not in COMPUTING:
        complaints.add(path, number, f"{folder} computes on what it is handed and may not include <{name}>. Let a folder of sys "
                       "do it and hand the result in")


def check(complaints):
    known = folders()
    check_folders(known, complaints)
    for folder in known:
        for path in sorted((SRC / folder).glob("*.[ch]")):
            for number, line in enumerate(path.read_text().splitlines(), 1):
                found = INCLUDE.match(line)
                if found and found.group(1) == '"':
                    check_own_include(path, number, folder, found.group(2), complaints)
                elif found:
                    check_system_include(path, number, folder, found.group(2), complaints)


if __name__ == "__main__":
    result = Complaints()
    check(result)
    sys.exit(1 if result.count else 0)
