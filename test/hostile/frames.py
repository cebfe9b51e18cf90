"""Malformed requests. Each must end in an error or a closed connection (or in waiting for the rest), and nothing else."""

EDGES = [0, 1, -1, 2, -2, 2**15, 2**16, 2**20, 2**20 + 1, 2**29, 2**29 + 1, 2**31 - 1, 2**31, 2**31 + 1, 2**32 - 1, 2**32, 2**32 + 1,
         2**63 - 1, 2**63, 2**63 + 1, 2**64 - 1, 2**64, -(2**31), -(2**32), -(2**63), -(2**63) - 1, 10**30]  # fmt: skip

NUMBERS = [b"%d" % edge for edge in EDGES] + [b"", b"x", b"1x", b" 1", b"1 ", b"+1", b"-", b"0x1", b"1e3", b"\x00", b"1\x00", b"00000000001", b"1.0", b"\xff"]


def absurd_lengths():
    for number in NUMBERS:
        yield b"*" + number + b"\r\n$4\r\nPING\r\n"
        yield b"*1\r\n$" + number + b"\r\nPING\r\n"
        yield b"*2\r\n$3\r\nGET\r\n$" + number + b"\r\nk\r\n"
        yield b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$" + number + b"\r\nv\r\n"
        yield b"*" + number + b"\n$4\nPING\n"


MALFORMED = [
    b"*1\r\n+PING\r\n", b"*1\r\n:1\r\n", b"*1\r\n*1\r\n$4\r\nPING\r\n", b"*1\r\n\r\n", b"*1\r\nPING\r\n", b"*\r\n", b"$\r\n", b"$4\r\nPING\r\n",
    b"*1\r\n$4PING\r\n", b"*1\r\n$4\r\nPINGxx", b"*1\r\n$4\r\nPING\n\n", b"*1\n$4\nPING\n", b"*1\r$4\rPING\r", b"*2\r\n$4\r\nECHO\r\n$3\r\nabcdef\r\n",
    b"%1\r\n$4\r\nPING\r\n$1\r\nx\r\n", b"~1\r\n$4\r\nPING\r\n", b">1\r\n$4\r\nPING\r\n", b"_\r\n", b"#t\r\n", b",1.5\r\n", b"(1\r\n", b"=4\r\ntxt:\r\n",
    b"SET \"a\r\n", b"SET 'a\r\n", b"SET \"a\"b c\r\n", b"'\r\n", b"\"\r\n", b"\"\\x\"\r\n", b"\"\\", b"SET a \"\\xzz\"\r\n", b"''\r\n", b"\x00\r\n", b"\x00\x00\x00\n",
    b"\xff\xfe\xfd\r\n", b"GET\x00k\r\n", b"PING\x00\r\n", b"\r", b"\n\n\n\n", b"\r\n" * 1000, b" \r\n", b"\t\t\n", b"PING" + b" " * 60_000 + b"\r\n",
    b"a" * 65_536, b"a" * 65_537 + b"\r\n", b"a " * 40_000 + b"\r\n", b"*1" + b"0" * 70_000 + b"\r\n", b"*1\r\n$" + b"1" * 70_000 + b"\r\n",
    b"*1\r\n" * 100_000, b"*2\r\n" * 100_000, b"*1\r\n$1\r\n" * 10_000, b"*0\r\n" * 100_000, b"*-1\r\n" * 10_000, b"$-1\r\n" * 100, b"*1000000\r\n" + b"$0\r\n\r\n" * 1000,
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 500,  # a TLS hello
    b"SSH-2.0-OpenSSH_9.2\r\n", b"\x80\x0c\x01\x00\x02" * 20, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
]  # fmt: skip

# After these the connection must be closed, with nothing behind them executed: a browser can be made to send them.
HTTP = [
    b"POST / HTTP/1.1\r\nHost: x\r\n\r\nSET hacked 1\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: x\r\n\r\nSET hacked 1\r\n",
    b"post / HTTP/1.0\r\n\r\nSET hacked 1\r\n",
    b"PUT /x HTTP/1.1\r\nHost: x\r\nContent-Length: 14\r\n\r\nSET hacked 1\r\n",
    b"HOST: x\r\nSET hacked 1\r\n",
    b"*1\r\n$4\r\nPOST\r\n*3\r\n$3\r\nSET\r\n$6\r\nhacked\r\n$1\r\n1\r\n",
    b"*2\r\n$5\r\nHost:\r\n$1\r\nx\r\n*3\r\n$3\r\nSET\r\n$6\r\nhacked\r\n$1\r\n1\r\n",
]

# These must be answered by an error and a closed connection.
REFUSED = [
    b"*1\r\n+PING\r\n", b"*x\r\n", b"*2147483648\r\n", b"*9223372036854775808\r\n", b"*1\r\n$-1\r\n", b"*1\r\n$-2\r\n", b"*1\r\n$x\r\n",
    b"*1\r\n$536870913\r\n", b"*1\r\n$9223372036854775808\r\n", b"SET \"a\r\n", b"a" * 70_000, b"*1\r\n" * 100_000,
]  # fmt: skip

# Whole and right: must work however they are cut.
RIGHT = (
    b"*3\r\n$3\r\nSET\r\n$3\r\ncut\r\n$5\r\nval\r\n\r\n*2\r\n$3\r\nGET\r\n$3\r\ncut\r\n" + b"PING\r\n" + b"*0\r\n" + b"\r\n" + b"ECHO 'a b'\r\n"
    b"*3\r\n$6\r\nAPPEND\r\n$3\r\ncut\r\n$0\r\n\r\n"
)
RIGHT_REPLIES = b"+OK\r\n$5\r\nval\r\n\r\n+PONG\r\n$3\r\na b\r\n:5\r\n"
