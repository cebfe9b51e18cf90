"""What the programs in JavaScript need: fetched once, from the versions in package-lock.json."""

import os
import subprocess

HERE = os.path.dirname(os.path.realpath(__file__))
LIMIT_S = 240


def ready():
    installed = os.path.join(HERE, "node_modules", ".package-lock.json")
    lock = os.path.join(HERE, "package-lock.json")
    if os.path.exists(installed) and os.path.getmtime(installed) >= os.path.getmtime(lock):
        return
    command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=LIMIT_S)
    if done.returncode != 0:
        raise AssertionError(f"npm ci failed: {done.stderr[-800:]}")
    os.utime(installed)
