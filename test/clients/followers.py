#!/usr/bin/python3
"""Copies that follow the invalidation stream with real libraries: the classes of docs/stream.md as they stand there, in processes of their own.

While others write, their connections are cut at random, and now and then such a process is killed and a new one goes on with what the last one had stored. In the
end, and at times between, everything they keep has to be what the server has, and nothing was dropped as a whole but when the stream said so.
What they answer is looked at through a proxy: right after their connections were lost, and while it passes nothing on and says nothing.

Run by itself with a number of changes, for the soak.
"""

import json
import os
import pathlib
import random
import re
import selectors
import socket
import subprocess
import sys
import threading

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "lib"), str(HERE.parent / "stream")]

import consumer  # noqa: E402
import npm_packages  # noqa: E402
from harness import Report, Strata, seed, settle  # noqa: E402
from harness.resp import plain  # noqa: E402

PAGE = HERE.parents[1] / "docs/stream.md"
LANGUAGES = {"python": ("python", "/usr/bin/python3", "py"), "node": ("js", "node", "js")}
SETTLE_S = 60
WHOLE_MIN = 20  # copies: of fewer, one tag or pattern may be all
SYNC_MS = 30000
CUTS = 15
SILENT_ASKS = 5

# Behind the class of the page: orders come by lines, answers go by lines.
DRIVERS = {
    "python": r'''
import os
import select
import sys

copies = Copies(int(sys.argv[1]), "g")
count = {"records": 0, "here": 0, "gaps": 0, "told_all": 0, "wiped": 0}
ALL = ("flushed", "swapped", "rules", "lost", "began", "writes-began", "class")
deal_with = copies.deal_with

def counting(record):
    before, known = len(copies.kept), copies.run
    deal_with(record)
    told = record["kind"] in ALL or record.get("unsure") == "anything" or record.get("run", known) != known
    count["records"] += 1
    count["here"] += record["kind"] == "here"
    count["gaps"] += record["kind"] == "gap"
    count["told_all"] += told
    count["wiped"] += before > WHOLE_MIN and not copies.kept and not told and record["kind"] != "gap"  # which may name every part

copies.deal_with = counting
orders, opened = b"", False
while True:
    opened and copies.hear()
    if b"\n" not in orders:
        if select.select([0], [], [], 0.002)[0]:
            more = os.read(0, 65536)
            if not more:
                sys.exit(0)
            orders += more
        continue
    line, _, orders = orders.partition(b"\n")
    order = json.loads(line)
    answer, opened = {}, True
    if "load" in order:
        copies.run, copies.position = order["load"]["run"], order["load"]["position"]
        copies.kept = {key: (value and value.encode(), [tag.encode() for tag in tags]) for key, (value, tags) in order["load"]["kept"].items()}
    for key in order.get("get", []):
        try:
            copies.get(key)
        except redis.ConnectionError:
            pass
    if "ask" in order:
        try:
            answer = {"value": (copies.get(order["ask"]) or b"").decode()}
        except LOST as error:
            answer = {"error": str(error)}
    if "store" in order:
        answer = {"run": copies.run, "position": copies.position, "count": count,
                  "kept": {key: (value and value.decode(), [tag.decode() for tag in tags]) for key, (value, tags) in copies.kept.items()}}
    print(json.dumps(answer), flush=True)
''',
    "node": r'''
const copies = new Copies(Number(process.argv[2]), 'g');
const count = { records: 0, here: 0, gaps: 0, told_all: 0, wiped: 0 };
const all = new Set(['flushed', 'swapped', 'rules', 'lost', 'began', 'writes-began', 'class']);
const dealWith = copies.dealWith.bind(copies);
copies.dealWith = record => {
  const [before, known] = [copies.kept.size, copies.run];
  dealWith(record);
  const told = all.has(record.kind) || record.unsure === 'anything' || (record.run !== undefined && record.run !== known);
  count.records++;
  count.here += record.kind === 'here';
  count.gaps += record.kind === 'gap';
  count.told_all += told;
  count.wiped += before > WHOLE_MIN && copies.kept.size === 0 && !told && record.kind !== 'gap'; // which may name every part
};

async function obey(order) {
  if (order.load) {
    [copies.run, copies.position] = [order.load.run, order.load.position];
    for (const [key, [value, tags]] of Object.entries(order.load.kept)) copies.kept.set(key, { value, tags });
  }
  if (order.open) await copies.open();
  await Promise.all((order.get ?? []).map(key => copies.get(key).catch(() => {})));
  for (let turn = 0; order.ask && turn < 3; turn++) await new Promise(setImmediate); // what has arrived is looked at first
  if (order.ask) return copies.get(order.ask).then(value => ({ value }), error => ({ error: error.message }));
  const kept = Object.fromEntries([...copies.kept].map(([key, { value, tags }]) => [key, [value, tags]]));
  return order.store ? { run: copies.run, position: copies.position, count, kept } : {};
}

let last = Promise.resolve();
require('node:readline').createInterface({ input: process.stdin })
  .on('line', line => { last = last.then(() => obey(JSON.parse(line))).then(answer => console.log(JSON.stringify(answer))); })
  .on('close', () => process.exit(0));
''',
}


def example(language):
    fence = LANGUAGES[language][0]
    found = [code for code in re.findall(rf"^```{fence}\n(.*?)^```", PAGE.read_text(), re.M | re.S) if "Copies" in code]
    if len(found) != 1:
        raise AssertionError(f"docs/stream.md has {len(found)} classes in {fence}")
    return found[0]


class Proxy:
    """Stands between followers and the server, and may cut all connections, or pass nothing on and say nothing."""

    def __init__(self, port):
        self.to = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.wake, self.woken = socket.socketpair()
        self.silent = self.ended = False
        self.cuts, self.peers = 0, {}
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def tell(self, **what):
        """Answers when it is so."""
        vars(self).update(what)
        self.wake.sendall(b"x")
        self.wake.recv(1)

    def cut(self):
        self.tell(cuts=self.cuts + 1)

    def close(self):
        self.tell(ended=True)
        self.thread.join()
        self.cut_all()
        for one in (self.listener, self.wake, self.woken):
            one.close()

    def cut_all(self):
        for one in self.peers:
            one.close()
        self.peers = {}

    def pair(self):
        client = self.listener.accept()[0]
        try:
            server = socket.create_connection(("127.0.0.1", self.to))
        except OSError:
            client.close()
            return
        self.peers.update({client: server, server: client})

    def pass_on(self, one):
        try:
            data = one.recv(65536)
            data and self.peers[one].sendall(data)
        except OSError:
            data = b""
        if not data:
            other = self.peers.pop(one)
            self.peers.pop(other)
            one.close()
            other.close()

    def run(self):
        cuts = 0
        while not self.ended:
            with selectors.DefaultSelector() as selector:
                for one in [self.listener, self.woken] + ([] if self.silent else list(self.peers)):
                    selector.register(one, selectors.EVENT_READ)
                ready = [key.fileobj for key, _ in selector.select()]
            if self.woken in ready:
                self.woken.recv(1)
                if self.cuts != cuts:
                    cuts = self.cuts
                    self.cut_all()
                self.woken.sendall(b"x")
                continue
            if self.listener in ready:
                self.pair()
            for one in ready:
                if one in self.peers:
                    self.pass_on(one)


class Follower:
    """A process that keeps copies."""

    def __init__(self, server, language, port=None):
        fence, program, suffix = LANGUAGES[language]
        self.path = pathlib.Path(server.folder) / f"follower.{suffix}"
        driver = DRIVERS[language].replace("WHOLE_MIN", str(WHOLE_MIN))
        self.path.write_text(example(language) + driver)
        self.command = [program, str(self.path), str(port or server.port)]
        self.environment = {**os.environ, "NODE_PATH": str(HERE / "node_modules")}
        self.process = None
        self.owed = 0
        self.records = self.gaps = self.here = self.told_all = self.wiped = 0

    def start(self, stored=None):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=self.environment, bufsize=1)
        self.ask({"open": True, **({"load": {name: stored[name] for name in ("run", "position", "kept")}} if stored else {})})
        self.answer()

    def ask(self, order):
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        self.owed += 1

    def answer(self):
        answer = None
        while self.owed:
            line = self.process.stdout.readline()
            if not line:
                raise AssertionError(f"the follower has ended: {self.process.wait()}")
            answer = json.loads(line)
            self.owed -= 1
        return answer

    def store(self):
        self.ask({"store": True})
        return self.answer()

    def add_counts(self, stored):
        for name in ("records", "gaps", "here", "told_all", "wiped"):
            setattr(self, name, getattr(self, name) + stored["count"][name])

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.owed = 0

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.stdin.close()
            self.process.wait(SETTLE_S)


def heard_all(asker):
    """The one follower is there and has acknowledged everything."""

    def once():
        reply = plain(asker.call("INVALIDATE", "KEY", "g-all-heard", "SYNC", SYNC_MS))
        synced = dict(zip(reply[::2], reply[1::2]))
        return synced[b"acknowledged"] == 1 and synced[b"missing"] == 0

    if not settle(once, SETTLE_S):
        raise AssertionError("the follower does not come back")


def check(follower, writers):
    """While nothing changes, all that it keeps has to be so. Answers what it has stored."""
    writers.settle_all()
    asker = writers.clients[0]
    heard_all(asker)
    stored = follower.store()
    names = list(stored["kept"])
    for name, now in zip(names, asker.calls([("GET", name) for name in names])):
        value = plain(now)
        if stored["kept"][name][0] != (value and value.decode()):
            raise AssertionError(f"the copy of {name} is {stored['kept'][name][0]}, and it is {value}")
    return stored


def follow(server, language, steps, rng):
    """Answers the follower, and how often its connection was cut, how often it was killed, and how many copies were compared."""
    follower, writers = Follower(server, language), consumer.Writers(server)
    follower.start()
    cuts = kills = checked = 0
    stored = None
    next_check = 0
    try:
        for done in range(0, steps, consumer.BATCH):
            elsewhere = rng.random() < 0.05  # enough to make the ring forget, if it is away meanwhile
            at = rng.randrange(len(writers.clients))
            writers.write(at, [consumer.command(rng, done + n, elsewhere) for n in range(consumer.BATCH)])
            if rng.random() < 0.3:
                writers.settle(at)
            follower.ask({"get": [consumer.name_of(rng.randrange(consumer.GROUPS), rng.randrange(consumer.KEYS_PER_GROUP)).decode() for _ in range(40)]})
            if rng.random() < 0.1:
                follower.answer()
            if rng.random() < 0.02 + 16 * consumer.BATCH / steps:
                writers.settle(0)
                cuts += plain(writers.clients[0].call("CLIENT", "KILL", "TYPE", "PUBSUB"))
            if done >= next_check:
                stored = check(follower, writers)
                checked += len(stored["kept"])
                next_check = done + steps // 12
            elif stored and rng.random() < 0.002 + 8 * consumer.BATCH / steps:
                follower.add_counts(follower.store())
                follower.kill()
                writers.write(at, [consumer.command(rng, done + n, True) for n in range(rng.choice([10, 10, 6000]))])
                writers.settle(at)
                follower.start(stored)
                kills += 1
        stored = check(follower, writers)
        follower.add_counts(stored)
        checked += len(stored["kept"])
    finally:
        follower.close()
        for client in writers.clients:
            client.close()
    return follower, cuts, kills, checked


def answered(follower, key="g:x"):
    follower.ask({"ask": key})
    return follower.answer()


def is_kept(follower, value):
    """It answers that, and the copy is one that it keeps."""

    def once():
        right = answered(follower).get("value") == value
        stored = follower.store()
        return right and stored["kept"].get("g:x", [None])[0] == value and stored["position"]

    if not settle(once, SETTLE_S):
        raise AssertionError(f"{answered(follower)} instead of {value}")


def after_a_loss(server, proxy, follower):
    """Once it is known that the connections were lost, no old copy is answered, be the new ones made already or not."""
    asker = server.client()
    for round in range(CUTS):
        asker.call("SET", "g:x", f"old {round}")
        is_kept(follower, f"old {round}")
        proxy.cut()
        asker.call("SET", "g:x", f"new {round}")
        answers = [answered(follower) for _ in range(3)]
        if any(answer.get("value", f"new {round}") != f"new {round}" for answer in answers):
            raise AssertionError(f"cut {round}: {answers}")
    asker.close()


def in_silence(server, proxy, follower):
    """No packet comes through and nobody says so: old copies are answered for two heartbeats at most, and none after the first that was not."""
    asker = server.client()
    asker.call("SET", "g:x", "old")
    is_kept(follower, "old")
    proxy.tell(silent=True)
    asker.call("SET", "g:x", "new")
    if not settle(lambda: "error" in answered(follower), SETTLE_S):
        raise AssertionError("the old copy is answered without end")
    answers = [answered(follower) for _ in range(SILENT_ASKS)]
    if any("error" not in answer for answer in answers):
        raise AssertionError(f"{answers}")
    proxy.tell(silent=False)
    is_kept(follower, "new")
    asker.call("SET", "g:x", "newer")
    is_kept(follower, "newer")
    asker.close()


def losses(report, server, language):
    for what, body in (("after each of its connections was cut", after_a_loss), ("when nothing comes through and nobody says so", in_silence)):
        with report.case(f"the class of docs/stream.md in {language} answers no old copy {what}"):
            proxy = Proxy(server.port)
            follower = Follower(server, language, proxy.port)
            try:
                follower.start()
                body(server, proxy, follower)
            finally:
                follower.close()
                proxy.close()


def flows(report, steps):
    npm_packages.ready()
    for language in LANGUAGES:
        with Strata(threads=2, maxmemory="64mb") as server:
            losses(report, server, language)
    for number, language in enumerate(LANGUAGES):
        with report.case(f"the class of docs/stream.md in {language} keeps right copies through {steps} changes, cut and killed, seed {seed()}"):
            with Strata(threads=2, maxmemory="64mb", stream_max_bytes="1mb") as server:
                follower, cuts, kills, checked = follow(server, language, steps, random.Random(seed() * 10 + number))
                said = f"{cuts} cuts, {kills} kills, {checked} copies compared, {follower.records} records, {follower.gaps} gaps, {follower.told_all} times told to drop all"
                report.note(f"{language}: {said}")
                if cuts < 3 or kills < 2 or checked < 300 or follower.here < cuts + kills or follower.wiped:
                    raise AssertionError(f"{said}; {follower.here} beginnings; {follower.wiped} times all was dropped without being told to")
                if server.stop() != 0:
                    raise AssertionError(server.last_words())


if __name__ == "__main__":
    alone = Report()
    flows(alone, int(sys.argv[1]))
    alone.exit()
