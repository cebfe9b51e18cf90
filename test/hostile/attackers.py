"""Attackers, each a process, that do what they can to a server until they are told to stop: every protocol it speaks, and its configuration.

What they send is drawn by seeds. None of them checks answers: that others are served, memory and the server's life are looked at from outside.
"""

import contextlib
import multiprocessing
import os
import pathlib
import random
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time

import frames
from harness.resp import encode
from harness.servers import free_port, repository

sys.path.insert(0, str(pathlib.Path(repository()) / "tools"))
import gen_commands  # noqa: E402

USER, KEEPER, CONFIGURER, PASSWORD = "attacker", "keeper", "configurer", "let me in"
# No rights over the server or over others' keys: what administrators may do is no attack. Who has said RESET is the default user.
RIGHTS = (("ACL", "SETUSER", KEEPER, "on", ">" + PASSWORD, "~*", "&*", "+@all"),
          ("ACL", "SETUSER", USER, "on", ">" + PASSWORD, "~attack:*", "&*", "+@all", "-@admin"),
          ("ACL", "SETUSER", CONFIGURER, "on", ">" + PASSWORD, "+config", "+auth"),
          ("ACL", "SETUSER", "default", "reset", "on", "nopass", "%R~*", "~attack:*", "&*", "+@all", "-@admin", "+monitor"))  # fmt: skip
LONG_STEP_S = 0.2
JOIN_S = 60

FRAME_TYPES = range(12)
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
FIELDS = [b"Host: localhost", b"Content-Length: 3", b"Content-Length: 99999999999", b"Content-Length: -1", b"Transfer-Encoding: chunked", b"Transfer-Encoding : chunked",
          b"Transfer-Encoding: gzip, chunked", b"Expect: 100-continue", b"Connection: close", b"Connection: upgrade", b"Upgrade: h2c", b"Authorization: Basic OjpBQQ==",
          b"Authorization: Bearer strata_0000000000000001_" + b"0" * 64, b"If-Match: \"1\"", b"Range: bytes=0-", b"Accept: application/json", b"X: " + b"y" * 9000, b" folded", b"No colon", b":",
          b"Cookie: a\x00b", b"Host: evil.example", b"Origin: http://evil.example", b"Last-Event-ID: 99999999999999999999", b"Content-Type: application/json"]  # fmt: skip
TARGETS = [b"/", b"/livez", b"/readyz", b"/health", b"/metrics", b"/v1/keys/attack%3A1", b"/v1/keys/%00%ff", b"/v1/keys?prefix=attack:&limit=99999999", b"/v1/events", b"/v1/commands",
           b"/v1/invalidations", b"/../../etc/passwd", b"/%2e%2e/%2e%2e/etc/passwd", b"*", b"http://x/", b"//", b"/?" + b"a=b&" * 1500, b"/v1/explain/x", b"/openapi.json", b"/v1/keys/" + b"a" * 7000]  # fmt: skip
METHODS = [b"GET", b"HEAD", b"PUT", b"POST", b"PATCH", b"DELETE", b"PURGE", b"OPTIONS", b"TRACE", b"CONNECT", b"get", b"G" * 40, b""]
BODIES = [b"", b"abc", b"{}", b"[" * 3000, b'["GET","attack:1"]', b'{"keys":["attack:1"]}', b"3\r\nabc\r\n0\r\n\r\n", b"ffffffffffffffff\r\n", b"0\r\n" + b"a: b\r\n" * 2000, b"\xff" * 500]
SETTINGS = ["slowlog-max-len", "slowlog-log-slower-than", "latency-monitor-threshold", "acllog-max-len", "notify-keyspace-events", "loglevel", "nosuch", "", "stream-max-len"]


class Target:
    """Where to. Ports may be 0: then nothing is there."""

    def __init__(self, program, resp, tls=0, http=0, https=0):
        self.program, self.resp, self.tls, self.http, self.https = program, resp, tls, http, https

    def plain(self):
        return [port for port in (self.resp, self.http) if port]

    def secure(self):
        return [port for port in (self.tls, self.https) if port]


def connect(port, timeout=2.0):
    return socket.create_connection(("127.0.0.1", port), timeout)


def secure(port, offers=("h2",)):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(list(offers))
    return context.wrap_socket(connect(port))


def reset(one):
    """Gone without a word."""
    with contextlib.suppress(OSError):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    one.close()


def push(one, data, numbers):
    """Sends it whole, or in pieces, or not to its end; reads a little of what comes."""
    with contextlib.suppress(OSError, ValueError):
        cut = numbers.choice((0, 0, 0, 1, 2))
        if cut == 1:
            data = data[: numbers.randrange(len(data) + 1)]
        at = numbers.randrange(len(data) + 1) if cut == 2 else len(data)
        one.sendall(data[:at])
        one.sendall(data[at:])
        one.settimeout(numbers.choice((0.002, 0.05)))
        one.recv(65536)


def mutated(data, numbers):
    """Bytes flipped, cut out, doubled."""
    data = bytearray(data)
    for _ in range(numbers.randrange(1, 6)):
        if not data:
            break
        at, size = numbers.randrange(len(data)), numbers.randrange(1, 9)
        kind = numbers.randrange(4)
        if kind == 0:
            data[at] ^= 1 << numbers.randrange(8)
        elif kind == 1:
            del data[at : at + size]
        elif kind == 2:
            data[at:at] = data[at : at + size] * numbers.choice((1, 1, 50))
        else:
            data[at:at] = bytes(numbers.randrange(256) for _ in range(size))
    return bytes(data)


# ---------------------------------------------------------------------------------------------- one step of each


def resp_frames(target, numbers, _):
    whole = frames.MALFORMED + frames.REFUSED + list(frames.absurd_lengths())
    one = secure(target.tls) if target.tls and numbers.random() < 0.2 else connect(target.resp)
    for _ in range(numbers.randrange(1, 8)):
        push(one, mutated(frames.RIGHT, numbers) if numbers.random() < 0.5 else numbers.choice(whole), numbers)
    reset(one) if numbers.random() < 0.5 else one.close()


WORDS = [b"attack:1", b"attack:2", b"attack:" + b"k" * 300, b"", b"0", b"-1", b"1", b"2147483648", b"9223372036854775807", b"-9223372036854775808", b"inf", b"1e400", b"nan", b"*", b"[a-", b"\x00\xff",
         b"(", b"+", b"EX", b"PX", b"NX", b"GET", b"LEASE", b"WAIT", b"TAGS", b"STALE", b"COUNT", b"MATCH", b"LIMIT", b"BLOCK", b"v" * 5000, b"strata", b"%s%n", b"SETBIT", b"u64", b"#1"]  # fmt: skip


def leaves():
    folder = str(pathlib.Path(repository()) / "spec" / "commands")
    return [command.full.split("|") for name in gen_commands.FAMILIES for command in gen_commands.everything(gen_commands.load_family(folder, name)[0])]


def resp_commands(target, numbers, memory):
    """Every command with arguments that mean something, and nonsense, in a row."""
    names = memory.setdefault("names", leaves())
    one = connect(target.resp)
    one.sendall(encode("AUTH", USER, PASSWORD) + (encode("HELLO", "3") if numbers.random() < 0.3 else b""))
    for _ in range(20):
        requests = [encode(*numbers.choice(names), *(numbers.choice(WORDS) for _ in range(numbers.randrange(6)))) for _ in range(numbers.randrange(1, 60))]
        push(one, b"".join(requests), numbers)
    reset(one)


def http_requests(target, numbers, _):
    port = numbers.choice([port for port in (target.http, target.https) if port])
    one = secure(port, ("http/1.1",)) if port == target.https else connect(port)
    for _ in range(numbers.randrange(1, 6)):
        head = b"%s %s %s\r\n" % (numbers.choice(METHODS), numbers.choice(TARGETS), numbers.choice((b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/9.9")))
        data = head + b"".join(field + b"\r\n" for field in [FIELDS[0]] + numbers.sample(FIELDS, numbers.randrange(6))) + b"\r\n" + numbers.choice(BODIES)
        push(one, mutated(data, numbers) if numbers.random() < 0.4 else data, numbers)
    reset(one) if numbers.random() < 0.5 else one.close()


def frame(kind, flags, stream, payload):
    return struct.pack("!I", len(payload))[1:] + bytes((kind, flags)) + struct.pack("!I", stream) + payload


# GET /livez, http, localhost, of the static table and literals that are not indexed.
HEADERS = b"\x82\x86\x04\x06/livez\x01\x09localhost"


def http2_frames(target, numbers, _):
    """Requests that are reset, floods of every kind of frame, random frames."""
    port = numbers.choice([port for port in (target.http, target.https) if port])
    one = secure(port) if port == target.https else connect(port)
    data = PREFACE + frame(4, 0, 0, b"" if numbers.random() < 0.5 else struct.pack("!HI", 4, 0))
    kind = numbers.randrange(6)
    for i in range(numbers.randrange(50, 1500)):
        stream = 2 * i + 1
        if kind == 0:
            data += frame(1, 5, stream, HEADERS) + frame(3, 0, stream, b"\x00\x00\x00\x08")
        elif kind == 1:
            data += frame(4, 0, 0, struct.pack("!HI", numbers.randrange(9), numbers.randrange(1 << 32)))
        elif kind == 2:
            data += frame(1, 1, 1, HEADERS) if i == 0 else frame(9, 0, 1, b"\x00\x04name\x40" + b"v" * 64)
        elif kind == 3:
            data += frame(6, 0, 0, b"pingping") + frame(0, 0, 1, b"")
        elif kind == 4:
            data += frame(1, 5, stream, HEADERS)
        else:
            data += frame(numbers.choice(FRAME_TYPES), numbers.randrange(256), numbers.choice((0, 1, stream, 1 << 31)), bytes(numbers.randrange(256) for _ in range(numbers.randrange(40))))
    push(one, data, numbers)
    reset(one)


def hello_of(numbers):
    """A ClientHello as a client sends it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    out = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLError):
        context.wrap_bio(ssl.MemoryBIO(), out, server_hostname="localhost").do_handshake()
    return mutated(out.read(), numbers) if numbers.random() < 0.7 else out.read()


def tls_bytes(target, numbers, _):
    """Handshakes that are wrong, or never end, and what comes behind them."""
    port = numbers.choice(target.secure())
    if numbers.random() < 0.2:
        one = secure(port)
        with contextlib.suppress(OSError, ValueError):
            one.sendall(os.urandom(numbers.randrange(1, 5000)))
            raw = socket.socket(fileno=os.dup(one.fileno()))
            raw.sendall(os.urandom(300))  # a record that nobody has sealed
            raw.close()
        reset(one)
        return
    one = connect(port)
    push(one, hello_of(numbers) + (os.urandom(numbers.randrange(2000)) if numbers.random() < 0.5 else b""), numbers)
    reset(one) if numbers.random() < 0.7 else one.close()


def floods(target, numbers, memory):
    """Many connections that come at once, say nothing or half a word, and go or stay."""
    held = memory.setdefault("held", [])
    for _ in range(100):
        with contextlib.suppress(OSError):
            one = connect(numbers.choice(target.plain() + target.secure()), 1.0)
            if numbers.random() < 0.5:
                one.sendall(numbers.choice((b"*1\r\n$4\r\nPI", b"GET / HT", b"\x16\x03\x01", PREFACE[:10])))
            held.append(one)
    while len(held) > numbers.choice((0, 200, 300)):
        reset(held.pop(numbers.randrange(len(held))))


def trickle(target, numbers, memory):
    """A byte now and then on 60 connections, half a request on each."""
    held = memory.setdefault("held", [])
    while len(held) < 60:
        held.append(connect(numbers.choice(target.plain() + target.secure()), 1.0))
    for _ in range(20):
        at = numbers.randrange(60)
        try:
            held[at].sendall(numbers.choice((b"*", b"1", b"\r\n", b"G", b"E", b"\x16")))
        except OSError:
            held[at].close()
            held[at] = connect(numbers.choice(target.plain() + target.secure()), 1.0)
    memory["done"].wait(LONG_STEP_S)


def never_read(target, numbers, memory):
    """Asks for more than anybody could read, and reads none of it; listens to what is said to everybody, and does not."""
    one = connect(target.resp)
    one.sendall(encode("SETRANGE", "attack:large", 200000, "x"))
    what = numbers.choice((encode("GET", "attack:large") * 300, encode("MONITOR"), encode("SUBSCRIBE", "attack"), encode("MGET", *["attack:large"] * 100) * 20, encode("PING") * 100000,
                           encode("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "attack:")))  # fmt: skip
    one.settimeout(2.0)
    with contextlib.suppress(OSError):
        for _ in range(20):
            one.sendall(what)
    memory["done"].wait(LONG_STEP_S)
    with contextlib.suppress(OSError), connect(target.resp) as other:
        other.sendall(encode("AUTH", USER, PASSWORD) + encode("PUBLISH", "attack", b"m" * 20000) * 50)
    reset(one)


def uploads(target, numbers, _):
    """Values that are promised and come in part."""
    size = numbers.choice((1 << 16, 1 << 20, 1 << 24, 1 << 29))
    sent = numbers.randrange(min(size, 1 << 22))
    if target.http and numbers.random() < 0.5:
        one = connect(target.http)
        chunked = numbers.random() < 0.5
        head = b"PUT /v1/keys/attack%%3Aup HTTP/1.1\r\nHost: localhost\r\n%s\r\n" % (b"Transfer-Encoding: chunked\r\n" if chunked else b"Content-Length: %d\r\n" % size)
        data = head + (b"%x\r\n" % size if chunked else b"")
    else:
        one = connect(target.resp)
        data = encode("AUTH", USER, PASSWORD) + b"*3\r\n$3\r\nSET\r\n$9\r\nattack:up\r\n$%d\r\n" % size
    push(one, data + b"u" * sent, numbers)
    reset(one)


CONFIG = b"""port: 7379
maxmemory: 64mb
stores:
  default: { memory: 50% }
  a: { keys: ["a:*", "b:{id}"], memory: 20%, policy: session, ttl: 30m }
users: |
  user default off
  user joe on >pw ~app:* +@read
tls-port: 7380
save: 900 1
"""


def configuration(target, numbers, memory):
    """Files that are nearly right, and settings while the server runs. A program that ends by a signal is what is looked for."""
    folder = memory.setdefault("folder", tempfile.mkdtemp(prefix="strata-test-attack-"))
    path = pathlib.Path(folder) / "strata.yaml"
    path.write_bytes(mutated(CONFIG, numbers))
    own = {name: value for name, value in os.environ.items() if not name.startswith("STRATA_")}
    status = subprocess.run([target.program, "server", "--check-config", "--config", str(path)], capture_output=True, timeout=60, check=False, env=own).returncode
    if status not in (0, 1):
        raise AssertionError(f"--check-config ended with {status} on {path.read_bytes()!r}")
    one = connect(target.resp)
    pairs = [encode("CONFIG", "SET", numbers.choice(SETTINGS), numbers.choice(WORDS)) + encode("CONFIG", "GET", numbers.choice((b"*", b"[", b"slow*", b"\xff"))) for _ in range(5)]
    push(one, encode("AUTH", CONFIGURER, PASSWORD) + b"".join(pairs), numbers)
    one.close()


ATTACKERS = (resp_frames, resp_commands, http_requests, http2_frames, tls_bytes, floods, trickle, never_read, uploads, configuration)


def fits(attacker, target):
    if attacker in (http_requests, http2_frames):
        return bool(target.http or target.https)
    return attacker is not tls_bytes or bool(target.secure())


# ---------------------------------------------------------------------------------------------- all of them


def attack(attacker, target, seed, done, results):
    """A process: steps until it is told to stop, at most as many a second as leave something of this machine to others."""
    os.nice(15)
    numbers, memory, steps, refused, failure = random.Random(f"{attacker.__name__} {seed}"), {"done": done}, 0, 0, None
    while not done.is_set() and not failure:
        try:
            attacker(target, numbers, memory)
        except (OSError, ssl.SSLError):
            refused += 1
            done.wait(0.01)
        except Exception as error:  # noqa: BLE001, a fault of the attacker, or what it was looking for
            failure = repr(error)[:600]
        steps += 1
    results.put((attacker.__name__, steps, refused, failure))


class Attackers:
    """`with Attackers(target, seed) as all_of_them: ...`; afterwards `steps` and `failures`."""

    def __init__(self, target, seed):
        own = multiprocessing.get_context("fork")
        self.done, self.results = own.Event(), own.Queue()
        self.processes = [own.Process(target=attack, args=(one, target, seed, self.done, self.results), daemon=True) for one in ATTACKERS if fits(one, target)]
        self.steps, self.failures = {}, []

    def __enter__(self):
        for process in self.processes:
            process.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        until = time.monotonic() + JOIN_S
        for _ in self.processes:
            name, steps, refused, failure = self.results.get(timeout=max(0.1, until - time.monotonic()))
            self.steps[name] = (steps, refused)
            if failure:
                self.failures.append(f"{name}: {failure}")
        for process in self.processes:
            process.join(JOIN_S)


def ports():
    return {"tls_port": free_port(), "http_port": free_port(), "http_tls_port": free_port()}
