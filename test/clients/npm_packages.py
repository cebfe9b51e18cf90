"""What the programs in JavaScript need."""

import os

from harness import npm

HERE = os.path.dirname(os.path.realpath(__file__))


def ready():
    npm.ready(HERE)
