"""Servers as children of the test: on free loopback ports, in folders of their own, ended by process id."""

import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import weakref

from harness.resp import Client

START_S = 20.0  # a sanitized build on a busy machine needs a few seconds
STOP_S = 20.0

PR_SET_PDEATHSIG = 1


def repository():
    return os.path.realpath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))


def seed():
    return int(os.environ.get("STRATA_SEED") or "1", 0)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def settle(condition, seconds, step_s=0.02):
    """Asks until `condition()` is true, for `seconds` at most; answers whether it became true."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(step_s)
    return True


def _die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Server:
    """A child process that listens on `self.port`, and on `self.unix_path` if asked."""

    def __init__(self, unix_path=False):
        self.folder = tempfile.mkdtemp(prefix="strata-test-")
        self.unix_path = os.path.join(self.folder, "socket") if unix_path else None
        self.log_path = os.path.join(self.folder, "log")
        self.process = None
        self.port = None
        self.status = None
        self.clients = weakref.WeakSet()

    def command(self):
        raise NotImplementedError

    def launch(self):
        """Starts it and does not wait until it is up."""
        self.port = free_port()
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={name: value for name, value in os.environ.items() if not name.startswith("STRATA_")},
                preexec_fn=_die_with_parent,
            )

    def start(self):
        for attempt in range(5):  # somebody may take the port between our choice and the server's bind
            self.launch()
            if self._wait_until_up():
                return self
            if "in use" not in self.log().lower() or attempt == 4:
                break
        raise AssertionError(f"{self.command()[0]} did not start: {self.last_words()}")

    def _wait_until_up(self):
        def up():
            if self.process.poll() is not None:
                return True
            try:
                with socket.create_connection(("127.0.0.1", self.port), 30.0) as probe:
                    if not {"--appendonly", "--memory-file"} & set(self.command()):
                        return True
                    probe.sendall(b"PING\r\n")  # while it loads nobody is served
                    answer = probe.recv(100)
                    return answer != b"" and not answer.startswith(b"-LOADING")
            except OSError:
                return False

        settle(up, START_S)
        return self.process.poll() is None and up()

    def log(self):
        with open(self.log_path, "r", errors="replace") as log:
            return log.read()

    def last_words(self):
        """What a program that died said of it: from the failed assertion or the sanitizer's report on, or else the end of its log."""
        text = self.log()
        found = re.search(r"^.*(assertion failed|ERROR: AddressSanitizer|WARNING: ThreadSanitizer|runtime error)", text, re.MULTILINE)
        return text[found.start():].split("Shadow bytes around", 1)[0][:8000] if found else text[-3000:]

    @property
    def pid(self):
        return self.process.pid

    @property
    def address(self):
        return ("127.0.0.1", self.port)

    def client(self, protocol=2, timeout=30.0):
        client = Client(self.address, timeout=timeout, protocol=protocol)
        self.clients.add(client)
        return client

    def alive(self):
        return self.process.poll() is None

    def sanitized(self):
        """Built with AddressSanitizer: resident memory then says nothing about the program."""
        with open(f"/proc/{self.pid}/exe", "rb") as program:  # clang puts the runtime into the program itself
            return b"__asan_init" in program.read()

    def resident_bytes(self):
        return self._status_bytes("VmRSS")

    def resident_peak_bytes(self):
        return self._status_bytes("VmHWM")

    def _status_bytes(self, field):
        with open(f"/proc/{self.pid}/status") as status:
            for line in status:
                if line.startswith(field + ":"):
                    return int(line.split()[1]) * 1024
        raise AssertionError(f"no {field}: the server is gone")

    def stop(self):
        """SIGTERM and wait; SIGKILL if that does not help. Answers the exit status, negative for a signal."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.status = self.process.returncode
        return self.status

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        died = self.process is not None and not self.alive()
        for client in self.clients:  # the server would wait a second for what those may still say who have just spoken
            client.close()
        self.stop()
        if died and self.status not in (0, -signal.SIGTERM, -signal.SIGKILL):
            print("".join(f"# | {line}\n" for line in [f"ended with status {self.status}", *self.last_words().splitlines()]), end="", flush=True)
        shutil.rmtree(self.folder, ignore_errors=True)


class Redis(Server):
    """Debian's redis-server, without persistence."""

    def __init__(self, unix_path=False, program="/usr/bin/redis-server", **options):
        super().__init__(unix_path)
        self.program = program
        self.options = options

    def command(self):
        command = [self.program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", self.folder]
        command += ["--daemonize", "no", "--enable-debug-command", "no"]
        if self.unix_path:
            command += ["--unixsocket", self.unix_path]
        return command + flags(self.options)


def flags(options):
    """{"maxmemory_policy": "noeviction"} -> ["--maxmemory-policy", "noeviction"]"""
    result = []
    for name, value in options.items():
        result += ["--" + name.replace("_", "-"), str(value)]
    return result


class StrataServer(Server):
    def __init__(self, program, unix_path=False, under=(), **options):
        super().__init__(unix_path)
        self.program = program
        self.under = list(under)  # a program that starts it and is replaced by it
        self.options = options

    def command(self):
        command = [*self.under, self.program, "server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.folder]
        if self.unix_path:
            command += ["--unixsocket", self.unix_path]
        return command + flags(self.options)


def Strata(unix_path=False, **options):
    """The program under test. A redis-server in STRATA_PROGRAM takes the same options, but for `threads`."""
    program = os.environ.get("STRATA_PROGRAM") or os.path.join(repository(), "build", "release", "strata")
    if not os.path.exists(program):
        print(f"not ok the program under test is there - {program} is not; `./dev build` makes it", flush=True)
        sys.exit(1)
    if os.path.basename(program) == "redis-server":
        options.pop("threads", None)
        return Redis(unix_path, program=program, **options)
    return StrataServer(program, unix_path, **options)


def Sanitized(**options):
    """The same program built with AddressSanitizer, or None if there is none."""
    program = os.environ.get("STRATA_PROGRAM_ASAN")
    if not program or not os.path.exists(program):
        return None
    # The sanitizers of clang 14 do not start under kernels that scatter addresses more than they expect.
    fixed = subprocess.run(["setarch", "-R", "true"], capture_output=True, check=False).returncode == 0
    return StrataServer(program, under=["setarch", "-R"] if fixed else [], **options)


def is_strata():
    """False when a redis-server stands in for the program under test."""
    return os.path.basename(os.environ.get("STRATA_PROGRAM") or "strata") != "redis-server"


class Memcached(Server):
    def command(self):
        return ["/usr/bin/memcached", "-l", "127.0.0.1", "-p", str(self.port), "-U", "0", "-u", "root", "-m", "64"]
