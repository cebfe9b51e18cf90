#!/usr/bin/env python3
"""`./dev check [NAME ...]`: looks for broken rules in the tree. Each complaint says what to do instead."""

import sys

import layers
import purity
import style
import words
from tree import Complaints

CHECKS = {
    "layers": layers.check,
    "purity": purity.check,
    "format": style.check_format,
    "headers": style.check_headers,
    "functions": style.check_functions,
    "files": style.check_files,
    "words": words.check_words,
    "sleeps": words.check_sleeps,
    "links": words.check_links,
    "readme": words.check_readme,
}


def main(wanted):
    unknown = [name for name in wanted if name not in CHECKS]
    if unknown:
        print(f"there is no check {unknown[0]}; there are {', '.join(CHECKS)}", file=sys.stderr)
        return 1
    broken = 0
    for name in wanted or CHECKS:
        complaints = Complaints()
        CHECKS[name](complaints)
        print(f"{name}: " + (f"{complaints.count} to mend" if complaints.count else "kept"), flush=True)
        broken += complaints.count
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
