"""Clients that send random commands, some without reading the answers, and that break off in the middle."""

import random
import threading
import time

from commands import Shared, Words
from harness import Client, Closed, encode

CLIENTS = 8
BATCHES = [1, 1, 1, 4, 20]
READ_S = 0.15  # whoever waits longer for an answer waits in a lease, has subscribed, or is held up by CLIENT PAUSE


class Patient(Client):
    """A client that can be asked again after a reply took too long: what has arrived of it is kept."""

    def read(self):
        begun = self.at
        try:
            return self.read_whole()
        except TimeoutError:
            self.at = begun
            raise

    def read_whole(self):
        return Client.read(self)

    def _more(self):
        received = self.socket.recv(1 << 18)
        if not received:
            raise Closed("closed by the server")
        self.input += received

    def trim(self):
        del self.input[: self.at]
        self.at = 0


class Rogue(threading.Thread):
    """One client after another, until the time is over."""

    def __init__(self, server, seed, number, shared, until, without=()):
        super().__init__(daemon=True)
        self.server, self.rng, self.shared, self.until = server, random.Random(seed * 100 + number), shared, until
        self.words = Words(self.rng, shared)
        self.without = without
        self.client = None
        self.sent = self.answered = 0
        self.errors = {}
        self.broken = None

    def run(self):
        try:
            while time.monotonic() < self.until and self.server.alive():
                self.turn()
        except Exception as error:  # told at the end, with the seed
            self.broken = error
        self.leave()

    def turn(self):
        try:
            if self.client is None or self.rng.random() < 0.01:
                self.leave()
                self.client = Patient(self.server.address, timeout=READ_S, protocol=self.rng.choice([2, 3]))
            self.talk()
        except (Closed, OSError):  # killed, paused while saying HELLO, or cut
            self.leave()

    def talk(self):
        commands = [command for command in (self.words.command() for _ in range(self.rng.choice(BATCHES))) if command[0] not in self.without]
        self.client.send(b"".join(encode(*command) for command in commands))
        self.sent += len(commands)
        if self.rng.random() < 0.03:
            self.leave()
            return
        try:
            for _ in commands:
                self.take(self.client.read())
        except TimeoutError:
            if self.rng.random() < 0.3:
                self.leave()
        if self.client:
            self.client.trim()

    def take(self, reply):
        self.answered += 1
        if reply[0] == "-":
            begins = " ".join(reply[1].decode("latin-1").split()[:4])
            self.errors[begins] = self.errors.get(begins, 0) + 1
        self.shared.learn(reply)

    def leave(self):
        if self.client:
            self.client.close()
        self.client = None


def play(server, seed, seconds, without=()):
    """Answers how many commands were sent and answered, and how often which error came."""
    shared, until = Shared(), time.monotonic() + seconds
    rogues = [Rogue(server, seed, number, shared, until, without) for number in range(CLIENTS)]
    for rogue in rogues:
        rogue.start()
    for rogue in rogues:
        rogue.join(seconds + 60)
        if rogue.is_alive():
            raise AssertionError("a client hangs")
        if rogue.broken:
            raise AssertionError(f"seed {seed}: {rogue.broken!r}") from rogue.broken
    errors = {}
    for rogue in rogues:
        for begins, count in rogue.errors.items():
            errors[begins] = errors.get(begins, 0) + count
    return sum(rogue.sent for rogue in rogues), sum(rogue.answered for rogue in rogues), errors
