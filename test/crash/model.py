"""What a client's keys are after so many of its commands, and random commands for them. Every client has keys, tags and a database of its own.

A key is (value, expiry in ms since 1970 or None, tags, whether it is stale). Times are absolute, so that the same commands end in the same state
whenever they are run.
"""

import time

FAR_MS = 4102444800000
GONE = (None, -2, (), None)
PLAIN, COUNTERS, GROUPS, MEMBERS, BRIEF, SOFT, TAGS = 20, 3, 3, 4, 3, 5, 4
SOURCES, PAGES = 2, 3
RULES = """version: 1
keys:
  "{client}:u:{id}": { invalidates: ["{client}:f{id}:*"] }
  "{client}:f{id}:{page}": {}
"""
SIZES = (1, 20, 300, 300, 3000, 3000, 40_000)


class Op:
    """`requests` are sent at once; `step(state)` changes the state and answers what the last reply has to be, None: anything but an error.

    What takes several steps may have been cut short before its answer. `one_by_one`: keys that it removes one after the other, so that some of them
    may be gone; `first`: what may have been done without the rest."""

    __slots__ = ("requests", "step", "one_by_one", "first", "answered_s", "refused")

    def __init__(self, requests, step, one_by_one=frozenset(), first=None):
        self.requests, self.step, self.one_by_one, self.first = requests, step, one_by_one, first
        self.answered_s = None
        self.refused = False


class State(dict):
    """Key: (value, expiry, tags, stale)."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.touched = set()

    def copy(self):
        return State(self)

    def put(self, key, value, at=None, tags=frozenset(), stale=False):
        self[key] = (value, at, tags, stale)
        self.touched.add(key)

    def drop(self, key):
        self.touched.add(key)
        return self.pop(key, None) is not None

    def seen(self, key, now_ms):
        """(what GET says, PEXPIRETIME, tags, what CGET STALE says) of a key."""
        value, at, tags, stale = self.get(key, (None, None, frozenset(), False))
        if value is None or (at is not None and at <= now_ms):
            return GONE
        if stale:
            return (None, -2, (), value)
        return (value, -1 if at is None else at, tuple(sorted(tags)), None)


def set_step(key, value, at=None, tags=(), stale=False):
    def step(state):
        state.put(key, value, at, frozenset(tags), stale)

    return step


def all_steps(steps):
    def step(state):
        for each in steps:
            each(state)

    return step


def drop_step(keys):
    return lambda state: (":", sum([state.drop(key) for key in keys]))


def drop_silently(choose):
    def step(state):
        for key in [key for key in state if choose(key, state[key])]:
            state.drop(key)

    return step


class Words:
    """The commands of one client."""

    def __init__(self, number, rng):
        self.number, self.rng, self.turn = number, rng, 0
        self.plain = [self.key("k", at) for at in range(PLAIN)]
        self.counters = [self.key("c", at) for at in range(COUNTERS)]
        self.groups = [[self.key(f"p{group}", at) for at in range(MEMBERS)] for group in range(GROUPS)]
        self.brief = [self.key("e", at) for at in range(BRIEF)]
        self.soft = [self.key("s", at) for at in range(SOFT)]
        self.sources = [self.key("u", at) for at in range(SOURCES)]
        self.pages = [[self.key(f"f{source}", at) for at in range(PAGES)] for source in range(SOURCES)]
        self.tags = [f"{number}:t{at}" for at in range(TAGS)]
        self.kinds = [(self.set, 12), (self.set_tagged, 8), (self.set_expiring, 4), (self.drop, 5), (self.append, 4), (self.expire, 3),
                      (self.persist, 2), (self.rename, 2), (self.many, 6), (self.transaction, 6), (self.count, 10), (self.tag_goes, 3),
                      (self.tag_given, 3), (self.key_goes, 3), (self.group_set, 8), (self.group_goes, 3), (self.brief_set, 3),
                      (self.soft_set, 5), (self.soft_goes, 4), (self.source_set, 3), (self.page_set, 8),
                      (self.everything_goes, 0.2)]  # fmt: skip
        self.weights = [weight for _, weight in self.kinds]
        self.makers = [maker for maker, _ in self.kinds]

    def key(self, family, at):
        return f"{self.number}:{family}:{at}"

    def keys(self):
        return [*self.plain, *self.counters, *(key for group in self.groups for key in group), *self.brief, *self.soft,
                *self.sources, *(key for pages in self.pages for key in pages)]  # fmt: skip

    def value(self):
        """Numbered, so that no two are alike."""
        self.turn += 1
        return (f"{self.turn}:" + "x" * self.rng.choice(SIZES)).encode()

    def op(self):
        return self.rng.choices(self.makers, self.weights)[0]()

    # ------------------------------------------------------------------ values

    def set(self):
        key, value = self.rng.choice(self.plain), self.value()
        return Op([("SET", key, value)], set_step(key, value))

    def set_tagged(self):
        key, value, tags = self.rng.choice(self.plain), self.value(), self.rng.sample(self.tags, self.rng.randint(1, 2))
        return Op([("SET", key, value, "TAGS", len(tags), *tags)], set_step(key, value, None, tags))

    def set_expiring(self):
        key, value, at = self.rng.choice(self.plain), self.value(), FAR_MS + self.rng.randrange(1000)
        return Op([("SET", key, value, "PXAT", at)], set_step(key, value, at))

    def drop(self):
        keys = self.rng.sample(self.plain, self.rng.choice((1, 1, 3)))
        return Op([(self.rng.choice(("DEL", "UNLINK")), *keys)], drop_step(keys))

    def append(self):
        key, more = self.rng.choice(self.plain), b"+" + str(self.turn).encode()

        def step(state):
            value, at, tags, _ = state.get(key, (b"", None, frozenset(), False))
            state.put(key, value + more, at, tags)
            return (":", len(value) + len(more))

        return Op([("APPEND", key, more)], step)

    def expire(self):
        key, at = self.rng.choice(self.plain), FAR_MS + self.rng.randrange(1000)

        def step(state):
            if key not in state:
                return (":", 0)
            value, _, tags, _ = state[key]
            state.put(key, value, at, tags)
            return (":", 1)

        return Op([("PEXPIREAT", key, at)], step)

    def persist(self):
        key = self.rng.choice(self.plain)

        def step(state):
            if key in state:
                state.put(key, state[key][0], None, state[key][2])

        return Op([("PERSIST", key)], step)

    def rename(self):
        old, new = self.rng.sample(self.plain, 2)

        def step(state):
            if old in state:
                state.put(new, *state[old])
                state.drop(old)

        value = self.value()
        return Op([("MULTI",), ("SET", old, value), ("RENAME", old, new), ("EXEC",)], all_steps([set_step(old, value), step]))

    def count(self):
        key, by = self.rng.choice(self.counters), self.rng.choice((1, 1, 7))
        return Op([("INCRBY", key, by)], self.count_step(key, by))

    @staticmethod
    def count_step(key, by):
        def step(state):
            value = int(state.get(key, (b"0",))[0]) + by
            state.put(key, str(value).encode())
            return (":", value)

        return step

    # ------------------------------------------------------------------ all or nothing

    def many(self):
        keys = self.rng.sample(self.plain, self.rng.randint(2, 5))
        pairs = [(key, self.value()) for key in keys]
        return Op([("MSET", *(word for pair in pairs for word in pair))], all_steps([set_step(*pair) for pair in pairs]))

    def transaction(self):
        parts, steps = [], []
        for key in self.rng.sample(self.plain, self.rng.randint(1, 3)):
            value = self.value()
            parts.append(("SET", key, value))
            steps.append(set_step(key, value))
        counter = self.rng.choice(self.counters)
        parts.append(("INCRBY", counter, 3))
        steps.append(self.count_step(counter, 3))
        if self.rng.random() < 0.4:
            keys = self.rng.sample(self.plain, 2)
            parts.append(("DEL", *keys))
            steps.append(drop_step(keys))
        if self.rng.random() < 0.3:
            tag = self.rng.choice(self.tags)
            parts.append(("TAG", "INVALIDATE", tag))
            steps.append(drop_silently(lambda _, entry: tag in entry[2]))
        return Op([("MULTI",), *parts, ("EXEC",)], all_steps(steps))

    # ------------------------------------------------------------------ invalidations

    def tag_goes(self):
        tag = self.rng.choice(self.tags)
        return Op([self.rng.choice((("TAG", "INVALIDATE", tag), ("INVALIDATE", "TAG", tag)))], drop_silently(lambda _, entry: tag in entry[2]))

    def tag_given(self):
        key, tag, adds = self.rng.choice(self.plain), self.rng.choice(self.tags), self.rng.random() < 0.7

        def step(state):
            if key in state:
                value, at, tags, _ = state[key]
                state.put(key, value, at, tags | {tag} if adds else tags - {tag})

        return Op([("TAG", "ADD" if adds else "REMOVE", key, tag)], step)

    def key_goes(self):
        key = self.rng.choice(self.plain)
        return Op([("INVALIDATE", "KEY", key)], drop_silently(lambda each, _: each == key))

    def group_set(self):
        group = self.rng.choice(self.groups)
        key, value = self.rng.choice(group), self.value()
        return Op([("SET", key, value)], set_step(key, value))

    def group_goes(self):
        group = self.rng.randrange(GROUPS)
        keys = set(self.groups[group])
        return Op([("INVALIDATE", "PATTERN", self.key(f"p{group}", "*"))], drop_silently(lambda key, _: key in keys), keys)

    def brief_set(self):
        """Gone when it is looked at: an expired value may not come back either."""
        key, value, at = self.rng.choice(self.brief), self.value(), int(time.time() * 1000) + self.rng.randrange(1, 40)
        return Op([("SET", key, value, "PXAT", at)], set_step(key, value, at))

    def soft_set(self):
        key, value = self.rng.choice(self.soft), self.value()
        return Op([("SET", key, value, "PXAT", FAR_MS, "TAGS", 1, f"{self.number}:soft")], set_step(key, value, FAR_MS, (f"{self.number}:soft",)))

    def soft_goes(self):
        key, kind, tag = self.rng.choice(self.soft), self.rng.randrange(8), f"{self.number}:soft"
        if kind == 0:
            return Op([("DEL", key)], drop_silently(lambda each, _: each == key))
        if kind == 1:
            return Op([("TAG", "INVALIDATE", tag)], drop_silently(lambda _, entry: tag in entry[2]))

        def step(state):
            for each in self.soft:
                if each in state and (kind == 2 or each == key):
                    value, at, tags, _ = state[each]
                    state.put(each, value, at, tags, True)

        return Op([("TAG", "INVALIDATE", tag, "SOFT") if kind == 2 else ("INVALIDATE", "KEY", key, "SOFT")], step)

    def page_set(self):
        key, value = self.rng.choice(self.rng.choice(self.pages)), self.value()
        return Op([("SET", key, value)], set_step(key, value))

    def source_set(self):
        """Which takes the pages that are made of it, by a rule."""
        at, value = self.rng.randrange(SOURCES), self.value()
        pages, first = set(self.pages[at]), set_step(self.sources[at], value)
        return Op([("SET", self.sources[at], value)], all_steps([first, drop_silently(lambda key, _: key in pages)]), first=first)

    def everything_goes(self):
        return Op([("FLUSHDB",)], drop_silently(lambda *_: True))
