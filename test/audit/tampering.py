"""Everything that can be done to the files of a log, and what `strata audit verify` says of it."""

import os
import pathlib
import random
import shutil
import subprocess
import tempfile

import logs
from harness import Strata, seed

EVENTS = 12
FILES = 4


def make(place, *keys):
    """A log of several files, closed in order. Answers the hash of its last line."""
    options = {"audit_key_file": keys[0]} if keys else {}
    with Strata(threads=1, maxmemory="16mb", audit_dir=place, audit_sync="no", **options) as server, server.client() as one:
        for number in range(FILES):
            for _ in range(EVENTS):
                one.call("CONFIG", "SET", "timeout", "0")
            logs.written(one)
            if number + 1 < FILES:
                one.call("AUDIT", "ROTATE")
                logs.written(one)
        assert server.stop() == 0
    return logs.lines(place)[-1]["hash"]


class Case:
    def __init__(self, origin, keys=()):
        self.origin = origin
        self.keys = [word for key in keys for word in ("--key-file", key)]
        self.place = pathlib.Path(tempfile.mkdtemp(prefix="strata-test-audit-"))

    def __enter__(self):
        shutil.copytree(self.origin, self.place / "log")
        self.folder = self.place / "log"
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.place)

    def file(self, number):
        return self.folder / f"audit-{number:06}.jsonl"

    def lines(self, number):
        return self.file(number).read_bytes().splitlines(keepends=True)

    def put(self, number, lines):
        self.file(number).write_bytes(b"".join(lines))

    def expect(self, code, *kinds, line=None, file=None, words=()):
        got, result = logs.verify(self.folder, *self.keys, *words)
        found = [finding for finding in result["findings"] if finding["tampered"] or code == 0]
        assert got == code, (got, result)
        assert set(kinds) <= {finding["finding"] for finding in found}, (kinds, found)
        if line:
            assert (found[0]["line"], os.path.basename(found[0]["file"])) == (line, self.file(file).name), found[0]
        return result


def bytes_flipped(origin, dice, keys):
    with Case(origin, keys) as case:
        for _ in range(120):
            number = dice.randint(1, FILES)
            before = case.file(number).read_bytes()
            after = bytearray(before)
            at = dice.randrange(len(after))
            after[at] ^= 1 << dice.randrange(8)
            case.file(number).write_bytes(after)
            code, result = logs.verify(case.folder, *case.keys)
            assert code == 1, (number, at, code, result)
            case.file(number).write_bytes(before)
        case.expect(0)


def lines_moved(origin, dice, keys):
    for _ in range(8):
        number, at = dice.randint(2, FILES - 1), dice.randint(2, EVENTS - 2)
        with Case(origin, keys) as case:
            lines = case.lines(number)
            case.put(number, lines[:at] + lines[at + 1 :])
            case.expect(1, "missing", line=at + 1, file=number)
            case.put(number, lines[: at + 1] + lines[at:])
            case.expect(1, "doubled", line=at + 2, file=number)
            case.put(number, lines[:at] + [lines[at + 1], lines[at]] + lines[at + 2 :])
            case.expect(1, "missing", "out-of-order", line=at + 1, file=number)
            case.put(number, lines[:at] + [case.lines(1)[5]] + lines[at:])
            case.expect(1, "doubled", line=at + 1, file=number)
            case.put(number, lines[:at] + [b"hello\n"] + lines[at:])
            case.expect(1, "not-a-line", line=at + 1, file=number)
            case.put(number, lines[:-2])
            case.expect(1, "missing", line=1, file=number + 1)


def files_moved(origin, _, keys):
    with Case(origin, keys) as case:
        case.file(2).unlink()
        case.expect(1, "file-missing")
    with Case(origin, keys) as case:
        case.file(1).unlink()
        case.expect(1, "file-missing")
        code, result = logs.verify(logs.files(case.folder), *case.keys)
        assert code == 0 and result["findings"][0]["finding"] == "first-removed", result
    with Case(origin, keys) as case:
        two, three = case.file(2).read_bytes(), case.file(3).read_bytes()
        case.file(2).write_bytes(three)
        case.file(3).write_bytes(two)
        case.expect(1, "file-swapped")
    with Case(origin, keys) as case:
        case.file(3).write_bytes(b"")
        case.expect(1, "file-missing")


def cut_off(origin, last, keys):
    with Case(origin, keys) as case:
        case.expect(0, words=("--expect-last", last))
        lines = case.lines(FILES)
        total = sum(len(case.lines(number)) for number in range(1, FILES + 1))
        case.put(FILES, lines[:-3])
        assert [finding["finding"] for finding in case.expect(0)["findings"]] == ["goes-on"]
        case.expect(1, "cut-off", words=("--expect-last", last))
        case.expect(1, "cut-off", words=("--expect-lines", total))
        case.expect(0, words=("--expect-lines", total - 3))
        case.put(FILES, lines[:-1] + [lines[-1][:50]])
        case.expect(0, "torn")
        case.file(FILES).unlink()
        case.expect(1, "cut-off", words=("--expect-last", last))


def rewrite(case, number, at, key):
    """A line is changed, and every hash from there on computed anew: with a key that is not the server's."""
    prev = None
    for each in range(number, FILES + 1):
        lines = case.lines(each)
        for place in range(at if each == number else 0, len(lines)):
            body = lines[place].rsplit(b',"hash":"', 1)[0]
            if prev is None:
                body = body.replace(b'"result":"ok"', b'"result":"no"')
            else:
                body = body[: -len(prev) - 1] + prev + b'"'
            prev = digits(body, key)
            lines[place] = body + b',"hash":"' + prev + b'"}\n'
        case.put(each, lines)


def digits(body, key):
    words = ["openssl", "dgst", "-sha256", "-r"] + (["-mac", "HMAC", "-macopt", f"hexkey:{key.hex()}"] if key else [])
    return subprocess.run(words, input=body, capture_output=True, check=True).stdout.split()[0]


def forged(plain, last, keyed, key_path):
    """Without a key everybody can write the log anew, and only what was noted elsewhere shows it; with one nobody who has not got it."""
    with Case(plain) as case:
        rewrite(case, FILES, 4, None)
        case.expect(0)
        case.expect(1, "cut-off", words=("--expect-last", last))
    with Case(keyed, [key_path]) as case:
        case.expect(0)
        rewrite(case, FILES, 4, b"another key that has thirty-two bytes")
        case.expect(1, "changed", line=5, file=FILES)
    with Case(keyed, [key_path]) as case:
        shutil.rmtree(case.folder)
        shutil.copytree(plain, case.folder)
        case.expect(1, "no-key")
    with Case(keyed) as case:
        code, text = logs.verify(case.folder)
        assert code == 2 and text["unchecked"] > 0 and not text["good"], text
        lines = case.lines(2)
        case.put(2, lines[:3] + lines[4:])
        case.expect(1, "missing")


def the_key_is_the_one_of_the_standard(keyed, key):
    """The hashes are those that any other program computes."""
    line = logs.files(keyed)[1].read_bytes().splitlines()[3]
    body, _, rest = line.rpartition(b',"hash":"')
    assert digits(body, key) == rest[:64]


def wrong_words(origin):
    assert logs.audit("verify")[0] == 2
    assert logs.audit("verify", "--mend", origin)[0] == 2
    assert logs.audit("verify", "--key-file", "/nowhere", origin)[0] == 2
    assert logs.audit("verify", "--expect-last", "abc", origin)[0] == 2
    assert logs.audit("verify", "/nowhere")[0] == 2
    assert logs.audit("verify", tempfile.gettempdir())[0] == 2
    code, text = logs.audit("verify", origin)
    assert code == 0 and text.startswith("good: "), text


def flows(report):
    print(f"# seed {seed()}")
    dice = random.Random(seed())
    with tempfile.TemporaryDirectory() as place:
        key = bytes(dice.randrange(256) for _ in range(48))
        key_path = os.path.join(place, "key")
        pathlib.Path(key_path).write_bytes(key)
        plain, keyed = os.path.join(place, "plain"), os.path.join(place, "keyed")
        last, last_keyed = make(plain), make(keyed, key_path)
        for origin, keys, hash_, how in ((plain, (), last, "without a key"), (keyed, (key_path,), last_keyed, "with a key")):
            with report.case(f"each byte that is changed is found, {how}"):
                bytes_flipped(origin, dice, keys)
            with report.case(f"lines that are removed, doubled, swapped, inserted, {how}"):
                lines_moved(origin, dice, keys)
            with report.case(f"files that are missing, swapped, emptied, {how}"):
                files_moved(origin, dice, keys)
            with report.case(f"what is cut off at the end, {how}"):
                cut_off(origin, hash_, keys)
        with report.case("a log that is written anew is found with the key, or by a hash noted elsewhere"):
            forged(plain, last, keyed, key_path)
        with report.case("hashes are those of other programs"):
            the_key_is_the_one_of_the_standard(keyed, key)
            the_key_is_the_one_of_the_standard(plain, None)
        with report.case("verify tells of wrong words and places"):
            wrong_words(plain)
