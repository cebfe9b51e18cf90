"""Packages from npm, of a folder with a package.json: fetched once, in the versions of its package-lock.json."""

import os
import subprocess

LIMIT_S = 240


def ready(folder):
    installed = os.path.join(folder, "node_modules", ".package-lock.json")
    lock = os.path.join(folder, "package-lock.json")
    if os.path.exists(installed) and os.path.getmtime(installed) >= os.path.getmtime(lock):
        return
    command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=LIMIT_S)
    if done.returncode != 0:
        raise AssertionError(f"npm ci failed: {done.stderr[-800:]}")
    os.utime(installed)
