"""Several clients at once on a server whose memory is far too small. Whoever reads knows, before he asks, which values may not be shown any more: those that had been overwritten, deleted,
invalidated or had expired before, by answers that somebody had got. A miss is never wrong."""

import random
import threading
import time

TAGS, SIZES = 6, (10, 300, 2000, 9000, 40000)
LATE_S = 0.1  # clocks of this process and of the server


class Judge:
    def __init__(self, server, seed, keys, writers):
        self.server, self.seed, self.keys, self.writers = server, seed, keys, writers
        self.issued = [0] * keys  # the version that was last sent
        self.answered = [(0, False)] * keys  # of which a write was last answered, and whether it bears its tag
        self.least = [0] * keys  # nothing older may be shown
        self.ends = [{} for _ in range(keys)]  # version: when it has expired for sure
        self.wrong, self.reads, self.hits, self.writes = [], 0, 0, 0
        self.stop = threading.Event()

    def name(self, key):
        return f"j{key % 3}:{key}"

    def raise_least(self, key, version):
        self.least[key] = max(self.least[key], version)

    # ---------------------------------------------------------------------------------------- writers

    def write(self, client, draw, key):
        version = self.issued[key] + 1
        ttl_ms = draw.choice((0, 0, 0, 200, 1500))
        words = ["SET", self.name(key), b"%d " % version + b"v" * draw.choice(SIZES)]
        if ttl_ms:
            words += ["PX", ttl_ms]
        tagged = draw.random() < 0.6
        if tagged:
            words += ["TAGS", 1, f"tag{key % TAGS}"]
        self.issued[key] = version
        reply = client.call(*words)
        if reply[0] != "+":
            raise AssertionError(f"{words[:2]}: {reply}")
        if ttl_ms:
            self.ends[key][version] = time.monotonic() + ttl_ms / 1000 + LATE_S
        self.answered[key] = (version, tagged)
        self.raise_least(key, version)

    def delete(self, client, key):
        client.call("DEL", self.name(key))
        self.raise_least(key, self.answered[key][0] + 1)

    def grow(self, client, key):
        client.call("APPEND", self.name(key), b"+")

    def writer(self, number):
        draw = random.Random(self.seed * 1000 + number)
        mine = list(range(number, self.keys, self.writers))
        with self.server.client(timeout=60) as client:
            while not self.stop.is_set():
                key, what = draw.choice(mine), draw.random()
                if what < 0.6:
                    self.write(client, draw, key)
                elif what < 0.68:
                    self.delete(client, key)
                elif what < 0.75:
                    self.grow(client, key)
                elif what < 0.78:
                    client.call("PEXPIRE", self.name(key), 60_000)
                    self.ends[key].clear()
                elif what < 0.95:
                    client.call("TIER", "DEMOTE", *[self.name(other) for other in draw.sample(mine, 4)])
                else:
                    client.call("TIER", "PROMOTE", *[self.name(other) for other in draw.sample(mine, 4)])
                self.writes += 1

    # ---------------------------------------------------------------------------------------- who invalidates

    def invalidate(self, client, draw):
        kind = draw.random()
        if kind < 0.6:
            tag = draw.randrange(TAGS)
            before = [(key, self.answered[key]) for key in range(tag, self.keys, TAGS)]
            client.call("INVALIDATE", "TAG", f"tag{tag}")
            for key, (version, tagged) in before:
                if tagged:
                    self.raise_least(key, version + 1)
            return
        pattern = draw.randrange(3)
        before = [(key, self.answered[key][0]) for key in range(pattern, self.keys, 3)]
        if kind < 0.95:
            client.call("INVALIDATE", "PATTERN", f"j{pattern}:*")
        else:
            client.call("INVALIDATE", "REGEX", f"^j{pattern}:[0-9]+$")
        for key, version in before:
            self.raise_least(key, version + 1)

    def invalidator(self):
        draw = random.Random(self.seed * 7)
        with self.server.client(timeout=60) as client:
            while not self.stop.wait(0.05):
                self.invalidate(client, draw)

    # ---------------------------------------------------------------------------------------- readers

    def judge(self, asked, replies, began):
        for (key, least), reply in zip(asked, replies):
            self.reads += 1
            if reply[0] == "-":
                self.wrong.append(f"{self.name(key)}: {reply}")
            if not reply[1] or not reply[1][:1].isdigit():
                continue  # nothing, or what APPEND made where there was nothing
            self.hits += 1
            version = int(reply[1].split(b" ", 1)[0])
            end = self.ends[key].get(version)
            if version < least or version > self.issued[key] or (end is not None and began > end):
                self.wrong.append(f"seed {self.seed}: {self.name(key)} shows version {version}; least {least}, issued {self.issued[key]}, over since {end and began - end}")

    def reader(self, number):
        draw = random.Random(self.seed * 2000 + number)
        with self.server.client(timeout=60) as client:
            while not self.stop.is_set():
                keys = [draw.randrange(self.keys) for _ in range(draw.choice((1, 1, 8, 40)))]
                began = time.monotonic()
                asked = [(key, self.least[key]) for key in keys]
                how = draw.random()
                if how < 0.4:
                    replies = client.calls([("GET", self.name(key)) for key in keys])
                elif how < 0.8:
                    replies = client.call("MGET", *[self.name(key) for key in keys])[1]
                else:
                    replies = client.calls([("MULTI",), *[("GET", self.name(key)) for key in keys], ("EXEC",)])[-1][1]
                self.judge(asked, replies, began)

    def run(self, readers, seconds):
        roles = [(self.writer, i) for i in range(self.writers)] + [(self.reader, i) for i in range(readers)] + [(self.invalidator,)]
        failures = []

        def play(role, *arguments):
            try:
                role(*arguments)
            except Exception as error:  # the others go on, and the case fails
                failures.append(f"{role.__name__}: {type(error).__name__}: {error}")

        threads = [threading.Thread(target=play, args=role) for role in roles]
        for thread in threads:
            thread.start()
        ends = time.monotonic() + seconds
        while time.monotonic() < ends and not self.wrong and not failures and self.server.alive():
            self.stop.wait(0.2)
        self.stop.set()
        for thread in threads:
            thread.join()
        if failures or self.wrong:
            raise AssertionError("\n".join((self.wrong + failures)[:10]))
