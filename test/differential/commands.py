"""The table: every command and option of the first server, and how its arguments are drawn.

A form is a label ("SET EX GET") and a function from Values to one request. Labels are what is counted: each must get its
number of successful replies. A form may also make a unit of several steps, of which the last is counted.
"""

import compare
import rdb
import values as _values


class Step:
    """One request, and the rule by which its two replies are compared."""

    def __init__(self, arguments, rule=compare.equal, counted=False):
        self.arguments = arguments
        self.rule = rule
        self.counted = counted  # the step of a unit whose reply counts; the last if none says so


# A form with one of these words in its label is meant to fail: its errors are what is counted.
FAILING = {"wrong", "unknown", "damaged", "aborted", "alone"}


class Form:
    def __init__(self, label, make, rule=compare.equal, spoil=True, weight=1, queue=True):
        self.label = label
        self.command = " ".join(word for word in label.split()[:2] if word.isupper() or "-" in word)
        self.fails = bool(FAILING & set(label.split()))
        self.make = make
        self.rule = rule
        self.spoil = spoil  # may be turned into an erroneous request
        self.weight = weight
        self.queue = queue  # may stand in MULTI

    def steps(self, values):
        made = self.make(values)
        if made and isinstance(made[0], Step):
            return made
        return [Step(made, self.rule)]


FORMS = []


def form(label, make, rule=compare.equal, **more):
    FORMS.append(Form(label, make, rule, **more))


def options(command, variants, make, rule=compare.equal, **more):
    """One form for each variant: {"EX": lambda v: ["EX", v.seconds()]} after the arguments of `make`."""
    for name, tail in variants.items():
        form(f"{command} {name}".strip(), lambda v, tail=tail: make(v) + tail(v), rule, **more)


def nothing(_):
    return []


EXPIRIES = {
    "EX": lambda v: ["EX", v.seconds()],
    "PX": lambda v: ["PX", v.milliseconds()],
    "EXAT": lambda v: ["EXAT", v.at_seconds()],
    "PXAT": lambda v: ["PXAT", v.at_milliseconds()],
}

# ------------------------------------------------------------------ strings

form("GET", lambda v: ["GET", v.key()], weight=4)
form("GET large", lambda v: ["GET", v.large_key()])
form("SET", lambda v: ["SET", v.key(), v.value()], weight=6)
form("SET large", lambda v: ["SET", v.large_key(), v.large_value()])
form("SET number", lambda v: ["SET", v.number_key(), v.integer()], weight=2)
form("SET float", lambda v: ["SET", v.float_key(), v.float()])
options(
    "SET",
    {
        **EXPIRIES,
        "NX": lambda v: ["NX"],
        "XX": lambda v: ["XX"],
        "GET": lambda v: ["GET"],
        "KEEPTTL": lambda v: ["KEEPTTL"],
        "NX GET": lambda v: ["NX", "GET"],
        "XX GET": lambda v: ["GET", "XX"],
        "NX EX": lambda v: ["EX", v.seconds(), "NX"],
        "XX KEEPTTL": lambda v: ["XX", "KEEPTTL"],
        "GET PXAT": lambda v: ["GET", "PXAT", v.at_milliseconds()],
        "XX GET PX": lambda v: ["XX", "PX", v.milliseconds(), "GET"],
    },
    lambda v: ["SET", v.key(), v.value()],
)
form("SETNX", lambda v: ["SETNX", v.key(), v.value()])
form("SETEX", lambda v: ["SETEX", v.key(), v.seconds(), v.value()])
form("PSETEX", lambda v: ["PSETEX", v.key(), v.milliseconds(), v.value()])
form("GETSET", lambda v: ["GETSET", v.key(), v.value()])
options("GETEX", {"": nothing, **EXPIRIES, "PERSIST": lambda v: ["PERSIST"]}, lambda v: ["GETEX", v.key()])
form("GETDEL", lambda v: ["GETDEL", v.key()])
form("GETRANGE", lambda v: ["GETRANGE", v.key(), v.offset(), v.offset()], weight=2)
form("GETRANGE large", lambda v: ["GETRANGE", v.large_key(), v.offset() * 9, v.offset() * 9])
form("SUBSTR", lambda v: ["SUBSTR", v.key(), v.offset(), v.offset()])
form("SETRANGE", lambda v: ["SETRANGE", v.key(), v.write_offset(), v.value()], weight=2)
form("SETRANGE large", lambda v: ["SETRANGE", v.large_key(), v.random.randrange(350_000), v.value()])
form("STRLEN", lambda v: ["STRLEN", v.key()])
form("APPEND", lambda v: ["APPEND", v.key(), v.value()], weight=2)
form("APPEND large", lambda v: ["APPEND", v.large_key(), v.value()])
form("INCR", lambda v: ["INCR", v.number_key()], weight=3)
form("DECR", lambda v: ["DECR", v.number_key()], weight=3)
form("INCRBY", lambda v: ["INCRBY", v.number_key(), v.one_of(v.small_integer(), v.integer())], weight=4)
form("DECRBY", lambda v: ["DECRBY", v.number_key(), v.one_of(v.small_integer(), v.integer())], weight=4)
form("INCRBYFLOAT", lambda v: ["INCRBYFLOAT", v.float_key(), v.float()], weight=3)
form("MGET", lambda v: ["MGET"] + v.keys(8), weight=2)


def pairs(v, most=5):
    return [part for key in v.keys(most) for part in (key, v.value())]


form("MSET", lambda v: ["MSET"] + pairs(v), weight=2)
form("MSETNX", lambda v: ["MSETNX"] + pairs(v, 2))
form("MSETNX fresh", lambda v: ["MSETNX", b"fresh%d" % v.random.randrange(200), v.value(), v.key(), v.value()])


def lcs_write(v):
    return ["SET", v.lcs_key(), bytes(v.random.choice(b"abcAB\x00") for _ in range(v.random.randrange(40)))]


form("SET for LCS", lcs_write)
options(
    "LCS",
    {
        "": nothing,
        "LEN": lambda v: ["LEN"],
        "IDX": lambda v: ["IDX"],
        "IDX MINMATCHLEN": lambda v: ["IDX", "MINMATCHLEN", v.random.randint(-1, 5)],
        "IDX WITHMATCHLEN": lambda v: ["IDX", "WITHMATCHLEN"],
        "IDX MINMATCHLEN WITHMATCHLEN": lambda v: ["WITHMATCHLEN", "MINMATCHLEN", 2, "IDX"],
    },
    lambda v: ["LCS", v.lcs_key(), v.lcs_key()],
)

# --------------------------------------------------------------------- bits

form("SETBIT", lambda v: ["SETBIT", v.bit_key(), v.bit(), v.random.randrange(2)], weight=3)
form("GETBIT", lambda v: ["GETBIT", v.bit_key(), v.one_of(v.bit(), v.bit(), 2**32 - 1)])
options(
    "BITCOUNT",
    {
        "": nothing,
        "range": lambda v: [v.offset(), v.offset()],
        "BYTE": lambda v: [v.offset(), v.offset(), "BYTE"],
        "BIT": lambda v: [v.offset() * 3, v.offset() * 3, "BIT"],
    },
    lambda v: ["BITCOUNT", v.bit_key()],
)
options(
    "BITPOS",
    {
        "": nothing,
        "start": lambda v: [v.offset()],
        "range": lambda v: [v.offset(), v.offset()],
        "BYTE": lambda v: [v.offset(), v.offset(), "BYTE"],
        "BIT": lambda v: [v.offset() * 3, v.offset() * 3, "BIT"],
    },
    lambda v: ["BITPOS", v.bit_key(), v.random.randrange(2)],
)
for operation in ("AND", "OR", "XOR"):
    form(
        f"BITOP {operation}",
        lambda v, operation=operation: ["BITOP", operation, v.bit_key()] + [v.bit_key() for _ in range(v.random.randint(1, 5))],
    )
form("BITOP NOT", lambda v: ["BITOP", "NOT", v.bit_key(), v.bit_key()])


def field_get(v):
    return ["GET", v.field_type(), v.field_offset()]


def field_set(v):
    return ["SET", v.field_type(), v.field_offset(), v.integer()]


def field_increment(v):
    return ["INCRBY", v.field_type(), v.field_offset(), v.one_of(v.small_integer(), v.integer())]


options(
    "BITFIELD",
    {
        "": nothing,
        "GET": field_get,
        "SET": field_set,
        "INCRBY": field_increment,
        "OVERFLOW WRAP": lambda v: ["OVERFLOW", "WRAP"] + field_increment(v),
        "OVERFLOW SAT": lambda v: ["OVERFLOW", "SAT"] + field_increment(v) + field_set(v),
        "OVERFLOW FAIL": lambda v: ["OVERFLOW", "FAIL"] + field_increment(v) + field_set(v),
        "several": lambda v: field_get(v) + field_set(v) + ["OVERFLOW", "SAT"] + field_increment(v) + field_get(v),
    },
    lambda v: ["BITFIELD", v.bit_key()],
)
form("BITFIELD_RO", lambda v: ["BITFIELD_RO", v.bit_key()])
form("BITFIELD_RO GET", lambda v: ["BITFIELD_RO", v.bit_key()] + field_get(v) + field_get(v))

# --------------------------------------------------------------------- keys

form("DEL", lambda v: ["DEL"] + v.keys(3))
form("UNLINK", lambda v: ["UNLINK"] + v.keys(3))
form("EXISTS", lambda v: ["EXISTS"] + v.keys(5))
form("TYPE", lambda v: ["TYPE", v.key()])
form("TOUCH", lambda v: ["TOUCH"] + v.keys(4))
form("RENAME", lambda v: ["RENAME", v.key(), v.key()], weight=5)
form("RENAMENX", lambda v: ["RENAMENX", v.key(), v.key()], weight=5)
options(
    "COPY",
    {
        "": nothing,
        "REPLACE": lambda v: ["REPLACE"],
        "DB": lambda v: ["DB", v.db()],
        "DB REPLACE": lambda v: ["DB", v.db(), "REPLACE"],
    },
    lambda v: ["COPY", v.key(), v.key()],
    weight=2,
)
for command, when in {
    "EXPIRE": lambda v: v.seconds(),
    "PEXPIRE": lambda v: v.milliseconds(),
    "EXPIREAT": lambda v: v.at_seconds(),
    "PEXPIREAT": lambda v: v.at_milliseconds(),
}.items():
    options(
        command,
        {
            "": nothing,
            **{condition: lambda v, condition=condition: [condition] for condition in ("NX", "XX", "GT", "LT")},
            "XX LT": lambda v: ["XX", "LT"],
        },
        lambda v, command=command, when=when: [command, v.key(), when(v)],
    )
for command in ("EXPIREAT", "PEXPIREAT"):
    form(f"{command} past", lambda v, command=command: [command, v.key(), v.past_seconds()])
for option in ("EXAT", "PXAT"):
    form(f"GETEX {option} past", lambda v, option=option: ["GETEX", v.key(), option, v.past_seconds()])
    form(f"SET {option} past", lambda v, option=option: set_past(v, option), spoil=False, queue=False)


def set_past(v, option):
    key = v.key()
    return looked_at([Step(["SET", key, v.value(), option, v.past_seconds()])])


form("EXPIRE past", lambda v: ["EXPIRE", v.key(), v.one_of(0, -1, -(2**31))])
form("TTL", lambda v: ["TTL", v.key()], compare.near_s)
form("PTTL", lambda v: ["PTTL", v.key()], compare.near_ms)
form("EXPIRETIME", lambda v: ["EXPIRETIME", v.key()], compare.near_s)
form("PEXPIRETIME", lambda v: ["PEXPIRETIME", v.key()], compare.near_ms)
form("PERSIST", lambda v: ["PERSIST", v.key()])
form("KEYS", lambda v: ["KEYS", v.pattern()], compare.keys)
form("RANDOMKEY", lambda v: ["RANDOMKEY"], compare.same_type)
form("DUMP", lambda v: ["DUMP", v.key()], compare.dump, queue=False)


def restore(v, ttl=0):
    return ["RESTORE", v.key(), ttl, v.one_of(v.payload(), rdb.payload(v.value()[:2000]))]


form("RESTORE", restore, weight=5)
form("RESTORE fresh", lambda v: ["RESTORE", b"fresh%d" % v.random.randrange(200), v.milliseconds(), v.payload()], weight=2)
options(
    "RESTORE",
    {
        "REPLACE": lambda v: ["REPLACE"],
        "REPLACE IDLETIME": lambda v: ["REPLACE", "IDLETIME", v.random.randrange(1000)],
        "REPLACE FREQ": lambda v: ["FREQ", v.random.randrange(256), "REPLACE"],
    },
    restore,
)
form("RESTORE ABSTTL", lambda v: restore(v, v.at_milliseconds()) + ["ABSTTL", "REPLACE"])


def damaged(v):
    request = restore(v) + ["REPLACE"]
    payload = bytearray(request[3])
    if v.chance(0.3):
        payload = payload[: v.random.randrange(len(payload))]
    else:
        payload[v.random.randrange(len(payload))] ^= 1 << v.random.randrange(8)
    request[3] = bytes(payload)
    return request


form("RESTORE damaged", damaged, spoil=False)
form("OBJECT ENCODING", lambda v: ["OBJECT", "ENCODING", v.key()], compare.same_type)
form("OBJECT IDLETIME", lambda v: ["OBJECT", "IDLETIME", v.key()], compare.same_type)
form("OBJECT FREQ", lambda v: ["OBJECT", "FREQ", v.one_of(b"no such key", b"none")], compare.same_type, spoil=False)
form("OBJECT REFCOUNT", lambda v: ["OBJECT", "REFCOUNT", v.key()], compare.refcount)
form("OBJECT HELP", lambda v: ["OBJECT", "HELP"], compare.help_text, spoil=False)
form("MOVE", lambda v: ["MOVE", v.key(), v.db()], weight=3)
form("DBSIZE", lambda v: ["DBSIZE"])
form("SWAPDB", lambda v: ["SWAPDB", v.db(), v.db()], queue=False)
for suffix in ("", "ASYNC", "SYNC"):
    form(  # in a database of its own; FLUSHALL is in flows.py
        f"FLUSHDB {suffix}".strip(),
        lambda v, suffix=suffix: [
            Step(["SELECT", 15]), Step(["SET", v.key(), 1]), Step(["FLUSHDB"] + suffix.split(), counted=True), Step(["SELECT", 0]),
        ],
        spoil=False,
        queue=False,
    )

# --------------------------------------------------------------- connection

form("PING", lambda v: ["PING"])
form("PING message", lambda v: ["PING", v.value()])
form("ECHO", lambda v: ["ECHO", v.value()])
form("SELECT", lambda v: ["SELECT", v.db()], queue=False)
form("HELLO", lambda v: ["HELLO"], compare.hello, spoil=False, queue=False)
form("HELLO 2", lambda v: ["HELLO", 2], compare.hello, spoil=False, queue=False)
form("HELLO 3", lambda v: ["HELLO", 3], compare.hello, queue=False)
form("HELLO SETNAME", lambda v: ["HELLO", 3, "SETNAME", v.text(5).replace(b" ", b"_")], compare.hello, spoil=False, queue=False)
form("HELLO AUTH", lambda v: ["HELLO", 3, "AUTH", "default", v.value()], compare.hello, queue=False)
form("HELLO wrong", lambda v: ["HELLO", v.one_of(0, 1, 4, b"x", b"", -1, b"3.0")], spoil=False, queue=False)
form("AUTH", lambda v: ["AUTH", "default", v.value()], queue=False)
form("AUTH wrong", lambda v: ["AUTH", v.one_of(b"nobody", b"", b"DEFAULT"), v.value()], spoil=False, queue=False)
form("RESET", lambda v: ["RESET"], queue=False)
form("CLIENT ID", lambda v: ["CLIENT", "ID"], compare.same_type)
form("CLIENT SETNAME", lambda v: ["CLIENT", "SETNAME", v.text(6).replace(b" ", b"_")])
form("CLIENT SETNAME wrong", lambda v: ["CLIENT", "SETNAME", v.one_of(b"a b", b"a\nb", b"\x00", b"a\xff")], spoil=False)
form("CLIENT GETNAME", lambda v: ["CLIENT", "GETNAME"])
form("CLIENT INFO", lambda v: ["CLIENT", "INFO"], compare.same_type)
form("CLIENT LIST", lambda v: ["CLIENT", "LIST"], compare.same_type)
form("CLIENT LIST TYPE", lambda v: ["CLIENT", "LIST", "TYPE", v.one_of("normal", "pubsub")], compare.client_list)
form("CLIENT LIST ID", lambda v: ["CLIENT", "LIST", "ID", 1, 2, 3], compare.client_list)
form("CLIENT NO-EVICT", lambda v: ["CLIENT", "NO-EVICT", v.one_of("on", "off", "ON")])
form("CLIENT UNBLOCK", lambda v: ["CLIENT", "UNBLOCK", v.random.randint(100000, 200000)])
form("CLIENT UNBLOCK TIMEOUT", lambda v: ["CLIENT", "UNBLOCK", 100000, "TIMEOUT"])
form("CLIENT UNBLOCK ERROR", lambda v: ["CLIENT", "UNBLOCK", 100000, "ERROR"])
form("CLIENT UNPAUSE", lambda v: ["CLIENT", "UNPAUSE"], spoil=False)
form("CLIENT PAUSE", lambda v: ["CLIENT", "PAUSE", 0], spoil=False, queue=False)
form("CLIENT PAUSE WRITE", lambda v: ["CLIENT", "PAUSE", 0, "WRITE"], spoil=False, queue=False)
form("CLIENT PAUSE ALL", lambda v: ["CLIENT", "PAUSE", 0, "ALL"], spoil=False, queue=False)
form("CLIENT PAUSE wrong", lambda v: ["CLIENT", "PAUSE", v.one_of(b"x", b"-1", b"1.5")], spoil=False)
form("CLIENT PAUSE wrong mode", lambda v: ["CLIENT", "PAUSE", 1, v.one_of(b"READ", b"")], spoil=False)
form("CLIENT REPLY ON", lambda v: ["CLIENT", "REPLY", "ON"], spoil=False, queue=False)
form("CLIENT REPLY wrong", lambda v: ["CLIENT", "REPLY", "wrong"], spoil=False)
form("CLIENT KILL wrong address", lambda v: ["CLIENT", "KILL", v.one_of("1.2.3.4:5", "x", "")], spoil=False)
for name, value in {"ID": 999999, "ADDR": "1.2.3.4:5", "LADDR": "1.2.3.4:5", "TYPE": "pubsub", "USER": "default"}.items():
    more = ["ID", 999999] if name == "USER" else []
    form(f"CLIENT KILL {name}", lambda v, name=name, value=value, more=more: ["CLIENT", "KILL", name, value] + more, spoil=False)
form("CLIENT KILL SKIPME", lambda v: ["CLIENT", "KILL", "ID", 999999, "SKIPME", v.one_of("yes", "no")], spoil=False)
form(
    "CLIENT KILL wrong",
    lambda v: ["CLIENT", "KILL"]
    + v.one_of(["ID", "x"], ["ID", 0], ["ID", -1], ["TYPE", "foo"], ["SKIPME", "maybe"], ["USER", "nobody"], ["FOO", "bar"], ["ID"]),
    spoil=False,
)
form("CLIENT HELP", lambda v: ["CLIENT", "HELP"], compare.help_text, spoil=False)

# ------------------------------------------------------------------- server

form("INFO", lambda v: ["INFO"], compare.same_type)
form("INFO section", lambda v: ["INFO", v.one_of("server", "memory", "all", "everything", "keyspace")], compare.same_type, spoil=False)
form("INFO sections", lambda v: ["INFO", "server", "clients", "stats"], compare.same_type, spoil=False)
form("TIME", lambda v: ["TIME"], compare.same_type)
form("MEMORY USAGE", lambda v: ["MEMORY", "USAGE", v.key()], compare.same_type)
form("MEMORY USAGE SAMPLES", lambda v: ["MEMORY", "USAGE", v.key(), "SAMPLES", 5], compare.same_type)
form("MEMORY STATS", lambda v: ["MEMORY", "STATS"], compare.same_type, spoil=False)
form("MEMORY DOCTOR", lambda v: ["MEMORY", "DOCTOR"], compare.doctor, spoil=False)
form("MEMORY PURGE", lambda v: ["MEMORY", "PURGE"], compare.same_type, spoil=False)
form("CONFIG RESETSTAT", lambda v: ["CONFIG", "RESETSTAT"])
form("CONFIG HELP", lambda v: ["CONFIG", "HELP"], compare.help_text, spoil=False)
form("CONFIG REWRITE alone", lambda v: ["CONFIG", "REWRITE"], spoil=False)
CONFIG_COMMON = {
    "maxmemory": [b"4gb", b"1gb", b"2000000000", b"3000mb", b"1500000kb"],
    "maxmemory-policy": [b"noeviction", b"allkeys-lru", b"ALLKEYS-LFU", b"volatile-ttl", b"volatile-random", b"allkeys-random"],
    "timeout": [b"0", b"3600", b"86400"],
    "slowlog-log-slower-than": [b"-1", b"100000000"],
    "slowlog-max-len": [b"0", b"128", b"1000"],
    "latency-monitor-threshold": [b"0", b"1000000"],
    "maxclients": [b"500", b"1000"],
}
CONFIG_WRONG = [
    ("maxmemory", b"abc"), ("maxmemory", b"-1"), ("maxmemory", b"1xb"), ("maxmemory-policy", b"lru"), ("timeout", b"-1"),
    ("timeout", b"x"), ("slowlog-max-len", b"-1"), ("no-such-parameter", b"1"), ("maxclients", b"0"), ("databases", b"32"),
    ("slowlog-log-slower-than", b"-2"), ("latency-monitor-threshold", b"1.5"), ("", b""),
]  # fmt: skip
for name, choices in CONFIG_COMMON.items():
    form(f"CONFIG GET {name}", lambda v, name=name: ["CONFIG", "GET", name], spoil=False)
    form(f"CONFIG SET {name}", lambda v, name=name, choices=choices: ["CONFIG", "SET", name, v.one_of(*choices)], spoil=False)
form("CONFIG GET several", lambda v: ["CONFIG", "GET", "maxmemory", "TIMEOUT"], compare.sorted_members, spoil=False)
form("CONFIG GET fixed", lambda v: ["CONFIG", "GET", v.one_of("databases", "requirepass", "save", "appendonly")], spoil=False)
form("CONFIG GET pattern", lambda v: ["CONFIG", "GET", v.one_of("maxmemory-pol*", "slowlog-max-???", "no-such-*", "[")], spoil=False)
form("CONFIG SET several", lambda v: ["CONFIG", "SET", "timeout", "60", "slowlog-max-len", "64"], spoil=False)
form("CONFIG SET wrong", lambda v: ["CONFIG", "SET", *v.one_of(*CONFIG_WRONG)], compare.config_range, spoil=False)
form("CONFIG SET twice wrong", lambda v: ["CONFIG", "SET", "timeout", "1000", "timeout", "2000"], spoil=False)
form("CONFIG SET half wrong", lambda v: ["CONFIG", "SET", "timeout", "7200", *v.one_of(*CONFIG_WRONG)], compare.config_range, spoil=False)
form("CONFIG wrong", lambda v: ["CONFIG"] + v.one_of(["GET"], ["SET"], ["SET", "timeout"], ["FOO"], ["RESETSTAT", "x"]), spoil=False)
form("SLOWLOG LEN", lambda v: ["SLOWLOG", "LEN"])
form("SLOWLOG GET", lambda v: ["SLOWLOG", "GET"])
form("SLOWLOG GET count", lambda v: ["SLOWLOG", "GET", v.one_of(-1, 0, 5, 10)])
form("SLOWLOG RESET", lambda v: ["SLOWLOG", "RESET"])
form("SLOWLOG HELP", lambda v: ["SLOWLOG", "HELP"], compare.help_text, spoil=False)
form("LATENCY LATEST", lambda v: ["LATENCY", "LATEST"], spoil=False)
form("LATENCY HISTORY", lambda v: ["LATENCY", "HISTORY", v.one_of("command", "fork", v.text(4))])
form("LATENCY RESET", lambda v: ["LATENCY", "RESET"] + v.one_of([], ["command"], ["a", "b"]))
form("LATENCY GRAPH wrong", lambda v: ["LATENCY", "GRAPH", v.one_of("command", "foo")], spoil=False)
form("LATENCY HISTOGRAM", lambda v: ["LATENCY", "HISTOGRAM"] + v.one_of([], ["get"], ["set", "get"], ["nosuch"]), compare.timing, spoil=False)
form("LATENCY DOCTOR", lambda v: ["LATENCY", "DOCTOR"], compare.doctor, spoil=False)
form("LATENCY HELP", lambda v: ["LATENCY", "HELP"], compare.help_text, spoil=False)
form("SHUTDOWN wrong", lambda v: ["SHUTDOWN"] + v.one_of(["FOO"], ["NOSAVE", "SAVE"], ["ABORT", "NOW"], ["ABORT"]), spoil=False, queue=False)

COMMAND_NAMES = b"get set mget mset del expire scan bitfield bitop copy object client config multi exec watch ping hello".split()
form("COMMAND COUNT", lambda v: ["COMMAND", "COUNT"], compare.command_count, spoil=False)
form("COMMAND LIST", lambda v: ["COMMAND", "LIST"], compare.command_list, spoil=False)
form("COMMAND LIST FILTERBY PATTERN", lambda v: ["COMMAND", "LIST", "FILTERBY", "PATTERN", v.one_of("get*", "*bit*", "s?t")], compare.command_list, spoil=False)
form("COMMAND LIST FILTERBY ACLCAT", lambda v: ["COMMAND", "LIST", "FILTERBY", "ACLCAT", v.one_of("nosuch", "string")], compare.command_list, spoil=False)
form("COMMAND LIST FILTERBY MODULE", lambda v: ["COMMAND", "LIST", "FILTERBY", "MODULE", "none"], spoil=False)
form("COMMAND INFO", lambda v: ["COMMAND", "INFO"] + v.random.sample(COMMAND_NAMES + [b"nosuch"], 3), compare.command_info, spoil=False)
form("COMMAND DOCS", lambda v: ["COMMAND", "DOCS", v.one_of(*COMMAND_NAMES)], compare.command_docs, spoil=False)
form("COMMAND DOCS of nothing", lambda v: ["COMMAND", "DOCS", "nosuch"], spoil=False)
form("COMMAND HELP", lambda v: ["COMMAND", "HELP"], compare.help_text, spoil=False)
form(
    "COMMAND GETKEYS",
    lambda v: ["COMMAND", "GETKEYS"]
    + v.one_of(
        ["GET", v.key()], ["SET", v.key(), 1, "NX"], ["MSET"] + pairs(v), ["MGET"] + v.keys(), ["BITOP", "AND", "d", "a", "b"],
        ["COPY", "a", "b"], ["OBJECT", "ENCODING", "k"], ["EXISTS"] + v.keys(), ["MEMORY", "USAGE", "k"], ["LCS", "a", "b"],
    ),
    spoil=False,
)  # fmt: skip
form(
    "COMMAND GETKEYS wrong",
    lambda v: ["COMMAND", "GETKEYS"] + v.one_of(["PING"], ["GET"], ["NOSUCH", "k"], [], ["MSET", "a"]),
    spoil=False,
)
form("unknown command", lambda v: [v.one_of(b"NOSUCH", b"Get2", b"", b"a" * 200, b"x\r\ny")] + v.one_of([], [v.value()], v.keys(4)), spoil=False)
form("unknown subcommand", lambda v: [v.one_of("CLIENT", "CONFIG", "OBJECT", "SLOWLOG", "LATENCY", "MEMORY", "COMMAND"), v.text(4)], spoil=False)
form("wrong arity", lambda v: [v.one_of(*COMMAND_ARITY)] + [v.key()] * v.one_of(0, 0, 7), spoil=False)
COMMAND_ARITY = (
    "GET SETNX SETEX PSETEX GETSET GETDEL GETRANGE SUBSTR SETRANGE STRLEN APPEND INCR DECR INCRBY DECRBY INCRBYFLOAT SETBIT GETBIT"
    " TYPE RENAME RENAMENX EXPIRETIME PEXPIRETIME TTL PTTL PERSIST KEYS RANDOMKEY DUMP MOVE SWAPDB DBSIZE TIME ECHO SELECT MULTI EXEC"
    " DISCARD UNWATCH PING"
).split()
# Not drawn with seven arguments: they would be right, or do what no other form expects.
NEVER_LONG = {"EXEC", "MULTI"}
COMMAND_ARITY = [name for name in COMMAND_ARITY if name not in NEVER_LONG | {"DISCARD", "UNWATCH", "PING", "RANDOMKEY", "DBSIZE", "TIME"}]


# ------------------------------------------------------------- transactions


def plain_steps(v):
    """A few requests that may be queued."""
    steps = []
    for _ in range(v.random.randint(0, 5)):
        steps += v.random.choice(QUEUEABLE).steps(v)
    return steps


def queued(steps):
    return [Step(step.arguments) for step in steps]


def multi_exec(v):
    steps = plain_steps(v)
    return [Step(["MULTI"])] + queued(steps) + [Step(["EXEC"], compare.members([step.rule for step in steps]))]


def multi_discard(v):
    return [Step(["MULTI"])] + queued(plain_steps(v)) + [Step(["DISCARD"])]


def multi_failed(v):
    wrong = v.one_of(["GET"], ["NOSUCH"], ["SET", "k"], ["CLIENT", "NOSUCH"], ["MULTI"], ["WATCH", "k"])
    return [Step(["MULTI"])] + queued(plain_steps(v)) + [Step(wrong)] + queued(plain_steps(v)[:1]) + [Step(["DISCARD"])]


def multi_aborted(v):
    wrong = v.one_of(["GET"], ["NOSUCH"], ["SET", "k"])
    return [Step(["MULTI"])] + queued(plain_steps(v)) + [Step(wrong), Step(["EXEC"])]


form("MULTI EXEC", multi_exec, spoil=False, queue=False, weight=2)
form("MULTI DISCARD", multi_discard, spoil=False, queue=False)
form("MULTI with errors", multi_failed, spoil=False, queue=False)
form("MULTI aborted", multi_aborted, spoil=False, queue=False)
form("MULTI RESET", lambda v: [Step(["MULTI"]), Step(["SET", v.key(), 1]), Step(["RESET"])], spoil=False, queue=False)
form("EXEC alone", lambda v: ["EXEC"], spoil=False, queue=False)
form("DISCARD alone", lambda v: ["DISCARD"], spoil=False, queue=False)
form("WATCH", lambda v: [Step(["WATCH"] + v.keys(3)), Step(["UNWATCH"])], spoil=False, queue=False)
form("WATCH own write", lambda v: watch_own(v), spoil=False, queue=False)


def watch_own(v):
    key = v.key()
    write = v.one_of(["SET", key, v.value()], ["DEL", key], ["EXPIRE", key, v.seconds()], ["GET", key], ["TOUCH", key], ["APPEND", key, "x"])
    return [Step(["WATCH", key]), Step(write), Step(["MULTI"]), Step(["GET", key]), Step(["EXEC"])]


QUEUEABLE = [one for one in FORMS if one.queue and one.spoil and not one.label.startswith(("CLIENT", "CONFIG", "MEMORY"))]

# ------------------------------------------------------------------ mistakes

def spoiled(v, arguments):
    """A request made wrong in one way; it may still be right by accident."""
    arguments = [argument if isinstance(argument, bytes) else str(argument).encode() for argument in arguments]
    kind = v.random.randrange(6)
    numbers = [i for i, argument in enumerate(arguments) if i and argument.lstrip(b"-").isdigit()]
    if kind == 0 and len(arguments) > 1:
        del arguments[v.random.randrange(1, len(arguments))]
    elif kind == 1:
        arguments.append(v.one_of(*_values.OPTION_WORDS, b"1", b""))
    elif kind == 2 and len(arguments) > 1:
        arguments[v.random.randrange(1, len(arguments))] = v.random.choice(_values.OPTION_WORDS)
    elif kind == 3 and len(arguments) > 2:
        at = v.random.randrange(1, len(arguments))
        arguments = arguments + arguments[at:]
    elif numbers:
        bad = v.random.choice(_values.BAD_NUMBERS)
        if arguments[0] == b"RESTORE" and len(bad) > 15:
            bad = b"-1"  # see the difference restore-time
        arguments[v.random.choice(numbers)] = bad
    else:
        arguments.append(v.random.choice(_values.BAD_NUMBERS))
    return arguments


def looked_at(steps):
    """Has the key of a SET with a moment in its options read at once: if that moment is past, redis-server keeps the key and counts it
    in DBSIZE until somebody looks or a tenth of a second is over. A mistake can make one: PX 123 becomes PXAT 123."""
    arguments = [argument if isinstance(argument, bytes) else str(argument).encode() for argument in steps[0].arguments]
    if arguments[0].upper() != b"SET" or not {b"EXAT", b"PXAT"} & {argument.upper() for argument in arguments[3:]}:
        return steps
    return [*steps, Step(["GET", arguments[1]])]


def recased(v, arguments):
    """The command's name and the words behind it in another case; keys and values stay."""
    first = arguments[0] if isinstance(arguments[0], bytes) else str(arguments[0]).encode()
    name = bytes(c ^ 0x20 if chr(c).isalpha() and v.chance(0.5) else c for c in first)
    words = [a.lower() if isinstance(a, str) and a.isupper() and v.chance(0.5) else a for a in arguments[1:]]
    return [name] + words

# ------------------------------------------------------ publish and subscribe
# More in flows.py, with connections of their own.

form("PUBLISH", lambda v: ["PUBLISH", v.key(), v.value()])
form("SPUBLISH", lambda v: ["SPUBLISH", v.key(), v.value()])
options(
    "PUBSUB",
    {
        "CHANNELS": lambda v: ["CHANNELS"],
        "CHANNELS pattern": lambda v: ["CHANNELS", v.pattern()],
        "NUMSUB": lambda v: ["NUMSUB", v.key(), v.key()],
        "NUMPAT": lambda v: ["NUMPAT"],
        "SHARDCHANNELS": lambda v: ["SHARDCHANNELS"],
        "SHARDNUMSUB": lambda v: ["SHARDNUMSUB", v.key()],
    },
    lambda v: ["PUBSUB"],
)
form("PUBSUB HELP", lambda v: ["PUBSUB", "HELP"], compare.help_text)
form("UNSUBSCRIBE", lambda v: ["UNSUBSCRIBE", v.key()], spoil=False)
form("PUNSUBSCRIBE", lambda v: ["PUNSUBSCRIBE", v.pattern()], spoil=False)
form("SUNSUBSCRIBE", lambda v: ["SUNSUBSCRIBE", v.key()], spoil=False)
