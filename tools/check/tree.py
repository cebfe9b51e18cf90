"""The tree as the checks see it: folders in order, what each uses, its files, and how complaints are made."""

import functools
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SRC = ROOT / "src"
STRATA = ["base", "core", "sys", "app"]


class Complaints:
    """Collects what is wrong; each complaint says what to do instead."""

    def __init__(self):
        self.count = 0

    def add(self, path, line, text):
        path = pathlib.Path(path)
        if path.is_absolute():
            path = path.relative_to(ROOT)
        where = f"{path}:{line}" if line else str(path)
        print(f"{where}: {text}", file=sys.stderr)
        self.count += 1


def _names(text, variable):
    """The quoted words of `variable = [...]` in a meson.build."""
    found = re.search(rf"^{variable}\s*=\s*\[(.*?)\]", text, re.M | re.S)
    return re.findall(r"'([^']+)'", found.group(1)) if found else []


def folders():
    """Every folder of src, lowest first."""
    return _names((SRC / "meson.build").read_text(), "folders")


def uses(folder):
    path = SRC / folder / "meson.build"
    return _names(path.read_text(), "uses") if path.exists() else []


def exceptions(rule):
    """What tools/check/exceptions.txt allows for one rule: {place: reason}."""
    allowed = {}
    for line in (ROOT / "tools/check/exceptions.txt").read_text().splitlines():
        parts = line.split(None, 2)
        if len(parts) == 3 and parts[0] == rule:
            allowed[parts[1]] = parts[2]
    return allowed


def files(*suffixes):
    """Files of the project: tracked by git or new and not ignored; without git, all but build output."""
    listing = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                             capture_output=True, check=False)
    if listing.returncode == 0:
        names = [name for name in listing.stdout.decode().split("\0") if name]
    else:
        names = [str(path.relative_to(ROOT)) for path in ROOT.rglob("*")]
        names = [name for name in names if not re.match(r"(build|\.git)/|.*node_modules/", name)]
    paths = [ROOT / name for name in sorted(set(names))]
    return [path for path in paths if path.is_file() and (not suffixes or path.name.endswith(suffixes))]


@functools.cache
def debug_is_built():
    """Builds build/debug, whose objects and generated headers some checks look at; answers whether that worked."""
    script = 'cd "$1"; . tools/packages.sh; . tools/kinds.sh; kind_build debug'
    return subprocess.run(["sh", "-eu", "-c", script, "sh", str(ROOT)], check=False).returncode == 0
