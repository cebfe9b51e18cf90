"""Frames of HTTP/2 as bytes, right and wrong ones."""

import socket
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, END_HEADERS, ACK = 1, 4, 1


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def text(value):
    assert len(value) < 127
    return bytes([len(value)]) + value


def head(path=b"/livez", authority=b"localhost", method=b"GET", more=()):
    """Literal fields that are not kept; nothing is compressed."""
    fields = [(b":method", method), (b":scheme", b"http"), (b":path", path), (b":authority", authority), *more]
    return b"".join(b"\x00" + text(name) + text(value) for name, value in fields)


class Frames:
    """A connection that sends what it is told to and reads frames."""

    def __init__(self, port, settings=b"", timeout=20.0):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self.input = b""
        self.socket.sendall(PREFACE + frame(SETTINGS, payload=settings))

    def send(self, *frames):
        """False: the server has closed."""
        try:
            self.socket.sendall(b"".join(frames))
        except (ConnectionError, TimeoutError):
            return False
        return True

    def ask(self, stream, **fields):
        return self.send(frame(HEADERS, END_STREAM | END_HEADERS, stream, head(**fields)))

    def _fill(self, size):
        while len(self.input) < size:
            try:
                got = self.socket.recv(65536)
            except ConnectionError:
                return False
            if not got:
                return False
            self.input += got
        return True

    def read(self):
        """(kind, flags, stream, payload); None: the connection has ended."""
        if not self._fill(9):
            return None
        size = int.from_bytes(self.input[:3], "big")
        kind, flags, stream = self.input[3], self.input[4], int.from_bytes(self.input[5:9], "big")
        if not self._fill(9 + size):
            return None
        payload, self.input = self.input[9 : 9 + size], self.input[9 + size :]
        return kind, flags, stream, payload

    def until_end(self):
        """All frames until the server closes."""
        found = []
        while (got := self.read()) is not None:
            found.append(got)
        return found

    def close(self):
        self.socket.close()
