"""Holds the objects of core to what core is: no globals that change, and no calls that reach the system."""

import re
import subprocess

from tree import ROOT, STRATA, debug_is_built, folders

# The C library functions that base and core may call: they compute on what they are handed.
PURE = re.compile(r"^(mem(chr|cmp|cpy|mem|move|rchr|set|pcpy)|str(chr|cmp|len|ncmp|nlen|rchr|spn|cspn|str|casecmp|ncasecmp)|"
                  r"bcmp|v?snprintf|strto(d|f|ld|l|ll|ul|ull)|abs|l?labs|(ceil|floor|fabs|fmod|frexp|isinf|isnan|ldexp|"
                  r"log|log2|log10|log1p|lrint|llrint|exp|expm1|modf|nearbyint|pow|rint|round|sqrt|trunc|signbit|"
                  r"__isinf|__isnan|__signbit|__fpclassify|__finite)[fl]?|qsort|bsearch|toupper|tolower|"
                  r"__ctype_(b|tolower|toupper)_loc|__errno_location|"
                  r"__(mem\w+|v?snprintf)_chk|__stack_chk_fail|_GLOBAL_OFFSET_TABLE_|__\w+ti\d|__popcountdi2|__tls_get_addr)$")


def archives(strata):
    for folder in folders():
        if folder.split("/")[0] in strata:
            archive = ROOT / "build/debug/src" / ("lib" + folder.replace("/", "_") + ".a")
            if archive.exists():
                yield folder, archive


def symbols(archive):
    """(object, kind, name) of every symbol."""
    listing = subprocess.run(["nm", "--print-file-name", str(archive)], stdout=subprocess.PIPE, text=True, check=True)
    for line in listing.stdout.splitlines():
        found = re.match(r".*:([^:]+)\.o:\s*[0-9a-f]*\s+(\w)\s+(\S+)$", line)
        if found:
            yield found.groups()


def check_archive(folder, archive, own, complaints):
    """`own`: names that base and core themselves define."""
    source = "src/" + folder
    for unit, kind, name in symbols(archive):
        unit = unit.removeprefix(folder.replace("/", "_") + "_")
        if kind in "bBdDC":
            complaints.add(source, 0, f"{unit}: {name} is a global that changes; keep it in a struct that is handed in")
        elif kind == "U" and name not in own and not PURE.match(name):
            complaints.add(source, 0, f"{unit} calls {name}; core makes no system calls: let a folder of sys do it and hand "
                           "the result in")


def check(complaints):
    if not debug_is_built():
        complaints.add("build/debug", 0, "does not build, so that its objects cannot be looked at")
        return
    own = {name for _, archive in archives(STRATA[:2]) for _, kind, name in symbols(archive) if kind in "TDBRVW"}
    for folder, archive in archives(["core"]):
        check_archive(folder, archive, own, complaints)
