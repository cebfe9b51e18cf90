"""Rounds of load, crash, restart and judgement on one disk, as long as is asked for."""

import math
import os
import random
import shutil
import time

from harness import Strata, settle
from harness.servers import repository

from disks import kill
from load import Group, Wrong
from model import RULES

WRITERS = 4
BALLAST, BALLAST_DB = 1500, 15
SLACK_S = 0.5  # until a thread that is due runs, on a machine that does something else too
ANSWERS_S = 60
INTERVALS_MS = (100, 300, 1000)
MODES = ("always", "always", "always", "everysec", "everysec", "no")
REWRITES = ("2mb", "2mb", "64mb")  # snapshots all the time, which flush the log, or hardly any
DURING = ("nothing", "nothing", "nothing", "BGSAVE", "BGREWRITEAOF", "recovery")


def facts(client):
    text = client.call("INFO", "persistence")[1].decode()
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


class Play:
    """A server on `disk` from one crash to the next. Raises Wrong when something is not as it has to be; `tally` counts what happened."""

    def __init__(self, disk, seed, ballast=True, writers=WRITERS, mode="always", rewrite="2mb"):
        self.disk, self.seed, self.ballast, self.mode, self.rewrite = disk, seed, ballast, mode, rewrite
        self.group = Group(writers, seed)
        self.number = 0
        self.tally = {"kill -9": 0, "power cut": 0, "in BGSAVE": 0, "in BGREWRITEAOF": 0, "in recovery": 0, "answered": 0,
                      "lost by everysec": 0, "worst_s": 0.0}  # fmt: skip
        self.server = Strata(under=disk.under, appendonly="yes", maxmemory="128mb")
        self.options = self.server.options
        self.own_folder, self.server.folder = self.server.folder, disk.folder
        rules = os.path.join(self.own_folder, "rules.yaml")
        with open(rules, "w", encoding="utf-8") as file:
            file.write(RULES)
        self.options["rules"] = rules

    def __enter__(self):
        self.start(self.mode, 300, 2)
        if self.ballast:
            with self.server.client() as client:
                client.call("SELECT", BALLAST_DB)
                client.calls([("SET", f"ballast:{at}", "b" * 2000) for at in range(BALLAST)])
        return self

    def __exit__(self, *_):
        if self.server.process:
            kill(self.server.process)
        shutil.rmtree(self.own_folder, ignore_errors=True)

    def start(self, mode, interval_ms, threads, rewrite=None):
        self.mode, self.interval_s = mode, interval_ms / 1000
        self.server.options = {**self.options, "appendfsync": mode, "appendfsync_interval": interval_ms, "threads": threads,
                               "auto_aof_rewrite_min_size": rewrite or self.rewrite}  # fmt: skip
        try:
            self.server.start()
        except AssertionError as error:
            raise Wrong(f"the start is refused: {error}") from error

    # ------------------------------------------------------------------ one round

    def until(self, moment_s, answers):
        """So many more answers, or this moment if answers come slowly."""
        wanted = self.group.answered() + answers
        settle(lambda: self.group.answered() >= wanted or time.monotonic() >= moment_s or self.group.broken(), ANSWERS_S, 0.001)

    def load(self, rng, during):
        self.group.begin(self.server, self.number)
        least_s = self.interval_s * rng.uniform(0.7, 1.6) if self.mode == "everysec" else 0
        begun_s = time.monotonic()
        self.until(begun_s + 20, rng.randrange(20, 250))
        settle(lambda: time.monotonic() >= begun_s + least_s, ANSWERS_S, 0.001)
        flush_s = 0.0
        with self.server.client() as client:
            if self.mode == "everysec":
                flush_s = int(facts(client)["log_flush_max_us"]) / 1e6
            if during in ("BGSAVE", "BGREWRITEAOF"):
                client.call(during)
                self.tally[f"in {during}"] += 1
        self.until(time.monotonic() + rng.choice((0.0, 0.02, 0.2)), rng.randrange(0, 60))
        return flush_s

    def crash(self, power):
        """Answers when the server stood still, and how long that took."""
        at_s = time.monotonic()
        took_s = self.disk.crash(self.server.process, power)
        self.tally["power cut" if power else "kill -9"] += 1
        return at_s, took_s

    def crash_recovery(self, rng, power):
        self.server.launch()
        due = time.monotonic() + rng.choice((0.005, 0.03, 0.1, 0.2)) * rng.random() * 2
        settle(lambda: time.monotonic() >= due, ANSWERS_S, 0.0005)
        self.crash(power)
        self.tally["in recovery"] += 1

    def before(self, power, flush_s, at_s, took_s):
        """What was answered before that moment has to be there."""
        if not power or self.mode == "always":
            return math.inf
        return at_s - self.interval_s - flush_s - took_s - SLACK_S if self.mode == "everysec" else -math.inf

    def round(self, power, mode=None, during=None):
        self.number += 1
        rng = random.Random(f"{self.seed}/{self.number}")
        during = during or rng.choice(DURING)
        flush_s = self.load(rng, during)
        at_s, took_s = self.crash(power)
        self.group.end()
        self.tally["answered"] += self.group.answered()
        lost_power = power
        if during == "recovery":
            for again in [rng.random() < 0.5 for _ in range(rng.choice((1, 1, 2)))]:
                again = again and self.disk.power
                self.crash_recovery(rng, again)
                lost_power = lost_power or again
        before_s = self.before(lost_power, flush_s, at_s, took_s)
        self.start(mode or rng.choice(MODES), rng.choice(INTERVALS_MS), rng.choice((1, 2, 3)), rng.choice(REWRITES))
        self.judge(before_s, at_s)

    def judge(self, before_s, at_s):
        settle(lambda: time.monotonic() > at_s + 0.05, 1, 0.001)  # until what was to expire soon has
        first_s = self.group.judge(self.server, before_s)
        if first_s is not None and before_s != -math.inf:
            self.tally["lost by everysec"] += 1
            self.tally["worst_s"] = max(self.tally["worst_s"], at_s - first_s)
        if self.ballast:
            with self.server.client() as client:
                client.call("SELECT", BALLAST_DB)
                if client.call("DBSIZE") != (":", BALLAST):
                    raise Wrong(f"of {BALLAST} other keys {client.call('DBSIZE')} are there")

    def keep(self):
        """What there is to look at after a failure; answers where."""
        place = os.path.join(repository(), "build", "crash", f"{self.disk.name.replace(' ', '-')}-{self.seed}-{self.number}")
        kill(self.server.process)
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(self.disk.folder, place)
        shutil.copyfile(self.server.log_path, os.path.join(place, "server.txt"))
        return place

    def told(self):
        tally = dict(self.tally)
        worst_s = tally.pop("worst_s")
        return ", ".join(f"{count} {what}" for what, count in tally.items()) + f" (the oldest answered {worst_s:.2f} s before the cut)"


def play(disk, seed, rounds, each=lambda played: None, **how):
    """Half kill -9 and half power cuts, in random order but never far from half. Answers what happened."""
    rng = random.Random(seed)
    with Play(disk, seed, **how) as played:
        powers = []
        try:
            for _ in range(rounds):
                if not powers:
                    powers = [True, True, False, False] if disk.power else [False]
                    rng.shuffle(powers)
                played.round(powers.pop())
                each(played)
        except Exception as error:
            raise Wrong(f"round {played.number}, seed {seed}, on {disk.name}: {error}; kept in {played.keep()}") from error
        return played.told()


def finds(disk, seed, plant, rounds_max):
    """With a fault built in, how many power cuts it takes until something is wrong; None: it was not found."""
    with Play(disk, seed, ballast=False) as played:
        disk.control["plant"] = plant
        for number in range(1, rounds_max + 1):
            try:
                played.round(True, "always", "nothing" if number % 2 else "BGSAVE")
            except Wrong as error:
                return number, str(error)
    return None
