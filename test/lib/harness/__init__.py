"""What the script tests share: servers as child processes, an exact RESP client, the ok / not ok lines.

A test is an executable `test/NAME/run`. It gets the built program in STRATA_PROGRAM and a seed in STRATA_SEED.
STRATA_PROGRAM may also name a redis-server: tests that ask nothing of Strata alone must pass against it too,
which is how a new test is proven before it is believed.
"""

from harness.report import Report
from harness.resp import Client, Closed, encode
from harness.servers import Memcached, Redis, Strata, repository, seed, settle

__all__ = ["Report", "Client", "Closed", "encode", "Memcached", "Redis", "Strata", "repository", "seed", "settle"]
