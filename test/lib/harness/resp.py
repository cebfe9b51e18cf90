"""A RESP2 and RESP3 client that keeps the exact type of every reply.

A reply is a pair (type, value), the type being its byte in the protocol:

    ("+", b"OK")  ("-", b"ERR ...")  (":", 5)  ("$", b"bulk" or None)  ("*", [...] or None)
    ("%", [(key, value), ...])  ("~", [...])  (">", [...])  ("_", None)  ("#", True)
    (",", b"1.5")  ("(", b"123")  ("=", b"txt:...")

so that ("$", None) and ("_", None) are different answers. Pushes come in order like any other reply.
"""

import select
import socket


class Closed(Exception):
    """The server closed the connection."""


def to_bytes(value):
    if isinstance(value, bytes):
        return value
    return str(value).encode()


def encode(*arguments):
    """A request as an array of bulk strings."""
    parts = [b"*%d\r\n" % len(arguments)]
    for argument in arguments:
        argument = to_bytes(argument)
        parts.append(b"$%d\r\n%b\r\n" % (len(argument), argument))
    return b"".join(parts)


class Client:
    def __init__(self, address, timeout=30.0, protocol=2):
        """`address` is (host, port) or the path of a Unix socket."""
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        self.socket.connect(address)
        if family == socket.AF_INET:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.input = bytearray()
        self.at = 0
        if protocol == 3:
            reply = self.call("HELLO", 3)
            if reply[0] != "%":
                raise AssertionError(f"HELLO 3 answered {reply!r}")

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data):
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise Closed(str(error)) from error

    def call(self, *arguments):
        self.send(encode(*arguments))
        return self.read()

    def calls(self, requests):
        """Pipelines all requests, answers the list of replies."""
        self.send_all(b"".join(encode(*request) for request in requests))
        return [self.read() for _ in requests]

    def send_all(self, data):
        """Sends any amount. Takes in replies while it writes, so that neither side blocks."""
        chunk = 128 * 1024
        if len(data) <= chunk:
            self.send(data)
        else:
            self._send_reading(memoryview(data), chunk)

    def _send_reading(self, data, chunk):
        timeout = self.socket.gettimeout()
        self.socket.setblocking(False)
        sent = 0
        try:
            while sent < len(data):
                readable, writable, _ = select.select([self.socket], [self.socket], [], timeout)
                if not readable and not writable:
                    raise TimeoutError("the server neither reads nor writes")
                if readable:
                    received = self.socket.recv(1 << 20)
                    if not received:
                        raise Closed("closed by the server")
                    self.input += received
                if writable:
                    try:
                        sent += self.socket.send(data[sent : sent + chunk])
                    except BlockingIOError:
                        pass
        except (BrokenPipeError, ConnectionResetError) as error:
            raise Closed(str(error)) from error
        finally:
            self.socket.settimeout(timeout)

    # ------------------------------------------------------------- reading

    def _more(self):
        if self.at > 65536:
            del self.input[: self.at]
            self.at = 0
        try:
            received = self.socket.recv(1 << 18)
        except ConnectionResetError as error:
            raise Closed(str(error)) from error
        if not received:
            raise Closed("closed by the server")
        self.input += received

    def _line(self):
        searched = self.at
        while True:
            end = self.input.find(b"\r\n", searched)
            if end >= 0:
                line = bytes(self.input[self.at : end])
                self.at = end + 2
                return line
            searched = max(self.at, len(self.input) - 1)
            before = self.at
            self._more()
            searched -= before - self.at

    def _bytes(self, size):
        while len(self.input) - self.at < size + 2:
            self._more()
        value = bytes(self.input[self.at : self.at + size])
        if self.input[self.at + size : self.at + size + 2] != b"\r\n":
            raise AssertionError("a bulk string does not end with CR LF")
        self.at += size + 2
        return value

    def read(self):
        """The next reply. Raises Closed at the end of the stream."""
        line = self._line()
        kind = chr(line[0]) if line else "?"
        rest = line[1:]
        if kind in "+-,(":
            return (kind, rest)
        if kind == ":":
            return (kind, int(rest))
        if kind in "$=":
            return (kind, None if rest == b"-1" else self._bytes(int(rest)))
        if kind in "*~>":
            return (kind, None if rest == b"-1" else [self.read() for _ in range(int(rest))])
        if kind == "%":
            return (kind, [(self.read(), self.read()) for _ in range(int(rest))])
        if kind == "_" and not rest:
            return (kind, None)
        if kind == "#" and rest in (b"t", b"f"):
            return (kind, rest == b"t")
        raise AssertionError(f"not a RESP reply: {line[:80]!r}")

    def read_until_closed(self):
        """All replies up to the end of the stream."""
        replies = []
        try:
            while True:
                replies.append(self.read())
        except Closed:
            return replies

    def buffered(self):
        return len(self.input) - self.at


def plain(reply):
    """The reply without types, for short comparisons: bytes, int, None, list, dict."""
    kind, value = reply
    if kind in "*~>" and value is not None:
        return [plain(member) for member in value]
    if kind == "%":
        return {plain(key): plain(member) for key, member in value}
    return value
