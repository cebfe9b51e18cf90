#!/usr/bin/python3
"""Takes pictures of every view of the dashboard, light and dark, of a server under load: screenshots.py FOLDER. Gets the program in STRATA_PROGRAM."""

import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "lib")]

import shop  # noqa: E402
from harness import Strata, npm, seed  # noqa: E402
from harness.servers import free_port  # noqa: E402

LIMIT_S = 400


def main(folder):
    npm.ready(str(HERE))
    pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
    port = free_port()
    with Strata(http_port=port, **shop.options()) as server, shop.Shop(server, seed(), hostile=False, wait_s=shop.BUSY_WAIT_S), tempfile.TemporaryDirectory(prefix="strata-browser-") as profile:
        subprocess.run(["node", HERE / "screenshots.mjs", f"http://localhost:{port}", folder, profile], check=True, timeout=LIMIT_S)
    pictures = sorted(str(path) for path in pathlib.Path(folder).glob("*.png"))
    subprocess.run(["pngquant", "--force", "--ext", ".png", "--skip-if-larger", "--strip", "256", *pictures], check=True)
    print("\n".join(pictures))


if len(sys.argv) != 2:
    sys.exit(__doc__)
main(sys.argv[1])
