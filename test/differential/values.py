"""Random keys, values and numbers, chosen so that keys collide and edges are met often."""

import random
import time

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1

EDGE_INTEGERS = [
    0, 1, -1, 2, 9, 10, 99, 100, 127, 128, 255, 256, 9999, 10000, 10001, 32767, 32768, 65535, 65536,
    2**31 - 1, 2**31, -(2**31), 2**32 - 1, 2**32, 2**53, 2**53 + 1,
    INT64_MAX, INT64_MAX - 1, INT64_MIN, INT64_MIN + 1,
]  # fmt: skip

FLOATS = [
    b"0", b"1.5", b"-1.5", b"3.0", b"1e3", b"1.0e-3", b"0.1", b"0.2", b"-0.1", b"1e17", b"123456789.987654321", b"5e-1",
    b"3.14159265358979", b"10.50", b"-0.0", b"1e-10", b".5", b"5.",
]  # fmt: skip

# What a number must not look like, and edges that most commands refuse. None lies where a command would take it as an
# offset and set aside hundreds of megabytes, or as a time to live that ends while the test runs.
BAD_NUMBERS = [
    b"", b"abc", b"1.5", b"9223372036854775808", b"-9223372036854775809", b"9223372036854775807", b"-9223372036854775808",
    b" 1", b"1 ", b"0x10", b"1e3", b"nan", b"inf", b"-inf", b"+5", b"-0", b"01", b"4294967296", b"-1", b"0", b"--1", b"1\x00",
    b"99999999999999999999999999", b"-",
]  # fmt: skip

OPTION_WORDS = (
    b"NX XX GT LT EX PX EXAT PXAT KEEPTTL GET PERSIST REPLACE DB ABSTTL IDLETIME FREQ MATCH COUNT TYPE BYTE BIT LEN IDX"
    b" MINMATCHLEN WITHMATCHLEN OVERFLOW SET INCRBY u8 i64 WRAP SAT FAIL ASYNC SYNC AND OR XOR NOT string foo"
).split()

SPECIAL_KEYS = [b"", b"\x00\xff\r\n", b"a*b", b"h?llo", b"[x]", b"back\\slash", b"123", b"{tag}1", b"{tag}2", b"x" * 1000]

PATTERNS = [
    b"*", b"k*", b"*1", b"k?", b"k??", b"k[1-3]", b"k[^1-3]", b"k[13]", b"n*", b"[fn]*", b"*a*", b"a\\*b", b"h\\?llo", b"\\[x\\]",
    b"{tag}*", b"*[0-9]", b"k1", b"", b"?", b"[", b"[a", b"[^", b"k[3-1]", b"**", b"*?*", b"K*", b"k[]", b"k[\\1]", b"\\", b"*\\",
    b"back\\\\slash", b"*" * 20 + b"q", b"x*x*x*x*y", b"[^k]*",
]  # fmt: skip


class Values:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.now_s = int(time.time())

    # ---------------------------------------------------------------- keys

    def key(self):
        dice = self.random.random()
        if dice < 0.66:
            return b"k%d" % self.random.randrange(40)
        if dice < 0.78:
            return b"n%d" % self.random.randrange(12)
        if dice < 0.84:
            return b"f%d" % self.random.randrange(6)
        if dice < 0.90:
            return b"b%d" % self.random.randrange(6)
        return self.random.choice(SPECIAL_KEYS)

    def number_key(self):
        return b"n%d" % self.random.randrange(12) if self.random.random() < 0.9 else self.key()

    def float_key(self):
        return b"f%d" % self.random.randrange(6) if self.random.random() < 0.9 else self.number_key()

    def bit_key(self):
        return b"b%d" % self.random.randrange(6) if self.random.random() < 0.85 else self.key()

    def lcs_key(self):
        return b"lcs%d" % self.random.randrange(4)

    def large_key(self):
        return b"large%d" % self.random.randrange(3)

    def keys(self, most=5):
        return [self.key() for _ in range(self.random.randint(1, most))]

    def pattern(self):
        return self.random.choice(PATTERNS)

    # -------------------------------------------------------------- values

    def integer(self):
        if self.random.random() < 0.5:
            return self.random.choice(EDGE_INTEGERS)
        return self.random.randint(-(10 ** self.random.randint(1, 18)), 10 ** self.random.randint(1, 18))

    def small_integer(self):
        return self.random.randint(-1000, 1000)

    def float(self):
        if self.random.random() < 0.6:
            return self.random.choice(FLOATS)
        return b"%.*f" % (self.random.randint(0, 12), self.random.uniform(-1e6, 1e6))

    def value(self):
        dice = self.random.random()
        if dice < 0.25:
            return b"%d" % self.integer()
        if dice < 0.35:
            return self.float()
        if dice < 0.42:
            return b""
        if dice < 0.75:
            return self.text(self.random.randint(1, 60))
        if dice < 0.97:
            return self.random.randbytes(self.random.randint(1, 300))
        return self.random.randbytes(20) * 1024

    def text(self, size):
        return bytes(self.random.choice(b"abcdefghij KLMNO-_:{}*?") for _ in range(size))

    def large_value(self):
        return self.random.randbytes(300) * self.random.randint(800, 1100)

    # ------------------------------------------------- offsets and the like

    def offset(self):
        """An index into a string: around both ends, sometimes far beyond them."""
        dice = self.random.random()
        if dice < 0.7:
            return self.random.randint(-40, 40)
        if dice < 0.9:
            return self.random.randint(-25000, 25000)
        return self.random.choice([INT64_MAX, INT64_MIN, INT64_MIN + 1, 2**31, -(2**31), 2**32])

    def write_offset(self):
        return self.random.choice([0, 1, 7, 8, 63, 64, self.random.randrange(300), self.random.randrange(300), 5000])

    def bit(self):
        return self.random.choice([0, 1, 7, 8, 9, self.random.randrange(2000), self.random.randrange(2000), 40001])

    def field_type(self):
        if self.random.random() < 0.5:
            return b"u%d" % self.random.choice([1, 4, 7, 8, 16, 31, 32, 33, 62, 63])
        return b"i%d" % self.random.choice([1, 4, 7, 8, 16, 31, 32, 33, 63, 64])

    def field_offset(self):
        if self.random.random() < 0.5:
            return b"#%d" % self.random.randrange(30)
        return b"%d" % self.random.randrange(1000)

    # ----------------------------------------------------------------- time

    def seconds(self):
        """Never near another draw, so that GT and LT do not depend on the millisecond; never over during the test."""
        return self.random.randint(10_000, 500_000_000)

    def milliseconds(self):
        return self.random.randint(10_000_000, 500_000_000_000)

    def at_seconds(self):
        return self.now_s + self.seconds()

    def at_milliseconds(self):
        return self.now_s * 1000 + self.milliseconds()

    def past_seconds(self):
        return self.random.randint(1, self.now_s - 3600)

    def db(self):
        return self.random.randrange(16)

    def chance(self, probability):
        return self.random.random() < probability

    def one_of(self, *choices):
        return self.random.choice(choices)
