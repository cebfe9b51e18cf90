"""Clients that write to keys of their own and know what was answered; and what of it has to be there after a crash.

A client sends its commands one after the other, so what is left of them is a beginning: after the crash its keys are as they were after so many commands,
with at least all that were answered (or, if the power went and the mode is not `always`, all that were answered long enough ago) and none that it had not
sent.
"""

import random
import threading
import time

from harness import Closed, encode
from harness.resp import plain

from model import GONE, State, Words

BATCHES = (1, 1, 1, 3, 12)
REFUSED = (b"MISCONF", b"EXECABORT")
TIMEOUT_S = 120.0
REFUSED_S = 0.02  # a client that is refused does not ask without a pause
STALE_MS = 604_800_000


class Wrong(AssertionError):
    """What a crash must not do."""


class Writer(threading.Thread):
    """`state`: of its keys before; `turn`: the last number that its values had."""

    def __init__(self, server, number, seed, state, turn=0, refusals=False):
        super().__init__(daemon=True)
        self.number, self.protocol = number, 2 + number % 2
        self.rng = random.Random(f"{seed}/{number}")
        self.words = Words(number, self.rng)
        self.words.turn = turn
        self.base, self.state, self.turn = state, state.copy(), turn
        self.refusals = refusals
        self.ops = []
        self.answered = 0  # commands, refused ones too
        self.refused = 0
        self.broken = None
        self.ending = threading.Event()
        self.client = server.client(protocol=self.protocol, timeout=TIMEOUT_S)
        self.client.call("SELECT", number)

    def run(self):
        try:
            while not self.ending.is_set():
                self.talk()
        except (Closed, ConnectionError):
            pass
        except Exception as error:  # told when the round is judged
            self.broken = error
        self.client.close()

    def talk(self):
        # Where some are refused there is one at a time, so that only the last is in doubt.
        ops = [self.words.op() for _ in range(1 if self.refusals else self.rng.choice(BATCHES))]
        self.ops += ops
        self.client.send_all(b"".join(encode(*request) for op in ops for request in op.requests))
        for op in ops:
            replies = [self.client.read() for _ in op.requests]
            self.take(op, replies)
        if ops[-1].refused:
            self.ending.wait(REFUSED_S)

    def take(self, op, replies):
        last = replies[-1]
        if last[0] == "-":
            if not (self.refusals and last[1].startswith(REFUSED)):
                raise Wrong(f"client {self.number}: {op.requests[0][:2]} was answered {last}")
            op.refused = True
            self.refused += 1
        else:
            wanted = op.step(self.state)
            if wanted is not None and last != wanted:
                raise Wrong(f"client {self.number}: {op.requests[0][:2]} was answered {last} and not {wanted}")
        op.answered_s = time.monotonic()
        self.answered += 1

    # ------------------------------------------------------------------ afterwards

    def least(self, before_s):
        """So many commands have to be there: those that were answered before this moment."""
        count = 0
        for op in self.ops:
            if op.answered_s is None or op.answered_s > before_s:
                break
            count += 1
        return count

    def judge(self, found, before_s, now_ms):
        """`found` is what the server has. Answers the state that it is, and how many commands that is; raises Wrong."""
        least = self.least(before_s)
        state = self.base.copy()
        wrong, nearest = None, None
        for count in range(len(self.ops) + 1):
            if count:
                op = self.ops[count - 1]
                if not op.refused:
                    op.step(state)
            if count < least:
                continue
            if wrong is None:
                wrong = {key for key in found if state.seen(key, now_ms) != found[key]}
            else:
                for key in state.touched:
                    wrong.discard(key)
                    if state.seen(key, now_ms) != found[key]:
                        wrong.add(key)
            state.touched.clear()
            half = state if not wrong else self.half_done(state, count, wrong, found, now_ms)
            if half is not None:
                return half, count
            if nearest is None or len(wrong) < len(nearest[1]):
                nearest = (count, set(wrong), {key: state.seen(key, now_ms) for key in wrong})
        raise Wrong(self.told(found, least, *nearest))

    def half_done(self, state, count, wrong, found, now_ms):
        """The state, if it is one that the next command has left in its middle; else None."""
        if count == len(self.ops):
            return None
        op, half = self.ops[count], state.copy()
        if op.first:
            op.first(half)
            wrong = {key for key in wrong | half.touched if half.seen(key, now_ms) != found[key]}
            return None if wrong else half
        if not wrong <= op.one_by_one or any(found[key] != GONE for key in wrong):
            return None
        for key in wrong:
            half.drop(key)
        return half

    def told(self, found, least, count, wrong, wanted):
        keys = "; ".join(f"{key} is {short(found[key])} and not {short(wanted[key])}" for key in sorted(wrong)[:4])
        answered = sum(op.answered_s is not None for op in self.ops)
        return (f"client {self.number}: of {len(self.ops)} commands {answered} were answered and at least {least} have to be there, but no number of them "
                f"ends in what is there; nearest is {count}, where {len(wrong)} keys are wrong: {keys}")

    def lost(self, count):
        """Since when the first answered command that is not there any more was answered; None: all are there."""
        return next((op.answered_s for op in self.ops[count:] if op.answered_s is not None and not op.refused), None)


def short(seen):
    value, at, tags, stale = seen
    return f"({str(value[:24]) if value else value}, {at}, {','.join(tags)}, {stale[:24] if stale else stale})"


def look(client, words):
    """What the server has of a client's keys: key -> as State.seen."""
    keys = words.keys()
    client.call("SELECT", words.number)
    requests = []
    for key in keys:
        requests += [("GET", key), ("PEXPIRETIME", key), ("TAG", "OF", key)]
    requests += [("CGET", key, "STALE", STALE_MS) for key in words.soft]
    replies = client.calls(requests)
    errors = [(request, reply) for request, reply in zip(requests, replies) if reply[0] == "-"]
    if errors:
        raise AssertionError(f"{errors[0]}")
    replies = [plain(reply) for reply in replies]
    stale = dict(zip(words.soft, replies[3 * len(keys) :]))
    found = {}
    for at, key in enumerate(keys):
        value, expires, tags = replies[3 * at : 3 * at + 3]
        shown = stale.get(key) or [None]
        found[key] = (value, expires, tuple(sorted(tag.decode() for tag in tags or () if tag[:1] not in b"=~")), shown[1] if shown[0] == b"STALE" else None)
    return found


class Group:
    """All writers of a round, and what their keys are from one round to the next."""

    def __init__(self, count, seed):
        self.seed, self.states, self.turns = seed, [State() for _ in range(count)], [0] * count
        self.writers = []

    def begin(self, server, number, refusals=False):
        self.writers = [Writer(server, at, f"{self.seed}/{number}", state, self.turns[at], refusals) for at, state in enumerate(self.states)]
        for writer in self.writers:
            writer.start()

    def answered(self):
        return sum(writer.answered for writer in self.writers)

    def refused(self):
        return sum(writer.refused for writer in self.writers)

    def broken(self):
        return next((writer.broken for writer in self.writers if writer.broken), None)

    def end(self):
        for writer in self.writers:
            writer.ending.set()
        for writer in self.writers:
            writer.join(TIMEOUT_S + 10)
            if writer.is_alive():
                raise AssertionError("a client hangs")

    def judge(self, server, before_s):
        """Answers when the first lost command had been answered (monotonic seconds; None: nothing is lost)."""
        if self.broken():
            raise self.broken()
        first = None
        with server.client() as client:
            for at, writer in enumerate(self.writers):
                found = look(client, writer.words)
                self.states[at], count = writer.judge(found, before_s, int(time.time() * 1000))
                self.turns[at] = writer.words.turn
                since = writer.lost(count)
                if since is not None and (first is None or since < first):
                    first = since
        return first
