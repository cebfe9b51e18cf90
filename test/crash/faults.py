"""Flushes and writes that fail and a disk that is full, under load: nothing answered is lost, service comes back by itself, no file is flushed again after a failure."""

import errno
import math
import os
import pathlib
import time

from harness import encode, settle

from disks import ALWAYS
from load import Wrong
from rounds import Play, facts

SETTLE_S = 60
SLOW_US = 6_000_000
ROOM_LEFT = 1 << 20
BALLAST_SIZE = 1 << 20


def expect(condition, what):
    if not condition:
        raise Wrong(what)


def answers(played, count, what):
    """So many more that are no refusals."""
    group = played.group
    wanted = group.answered() - group.refused() + count
    expect(settle(lambda: group.answered() - group.refused() >= wanted or group.broken(), SETTLE_S), f"{what}: writes are not answered")
    if group.broken():
        raise group.broken()


def crash(played, power):
    at_s, _ = played.crash(power)
    played.group.end()
    return at_s


def again(played, mode, before_s, at_s):
    played.start(mode, 200, 2)
    played.judge(before_s, at_s)


def nothing_flushed_twice(played):
    expect(played.disk.control["again"] == 0, f"{played.disk.control['again']} flushes of a file of which one had failed")


def fails_once(played):
    """Afterwards all goes on; what WAITAOF has told of is there after a power cut, in the other modes too."""
    control, mode = played.disk.control, played.mode
    played.group.begin(played.server, 1, refusals=True)
    answers(played, 30, "before the failure")
    control["fail"] = 1
    expect(settle(lambda: control["failed"] == 1, SETTLE_S), "no flush came")
    answers(played, 60, "after the failure")
    before_s = time.monotonic()
    with played.server.client() as client:
        client.call("SELECT", 14)
        expect(settle(lambda: client.call("SET", "mark", 1) == ("+", b"OK"), SETTLE_S), "writes are refused for good")
        reply = client.call("WAITAOF", 1, 0, SETTLE_S * 1000)
        expect(reply[1][0] == (":", 1), f"WAITAOF after the failure: {reply}")
    at_s = crash(played, True)
    nothing_flushed_twice(played)
    again(played, mode, math.inf if mode == "always" else before_s, at_s)


def failing(played):
    """Under load, until flushes have failed twice and writes are refused."""
    control = played.disk.control
    played.group.begin(played.server, 2, refusals=True)
    answers(played, 30, "before the failure")
    failed = control["failed"]
    control["fail"] = ALWAYS
    expect(settle(lambda: control["failed"] >= failed + 2, SETTLE_S), "no new file is tried")
    with played.server.client() as client:
        expect(client.call("PING") == ("+", b"PONG") and client.call("GET", "mark")[0] == "$", "reads are not answered")
        reply = client.call("SET", "mark", 2)
        expect(reply[0] == "-" and reply[1].startswith(b"MISCONF"), f"a write while no flush succeeds: {reply}")


def fails_and_power_goes(played):
    failing(played)
    at_s = crash(played, True)
    nothing_flushed_twice(played)
    played.disk.control["fail"] = 0
    again(played, "always", math.inf, at_s)


def fails_and_comes_back(played):
    failing(played)
    played.disk.control["fail"] = 0
    answers(played, 60, "when flushes succeed again")
    at_s = crash(played, True)
    nothing_flushed_twice(played)
    again(played, "always", math.inf, at_s)


def kernel_tells_more(played):
    """Killed while flushes fail: the next life reads from the kernel's memory what the disk has not got, and may not take that for safe."""
    failing(played)
    at_s = crash(played, False)
    played.disk.control["fail"] = 0
    again(played, "always", math.inf, at_s)
    played.group.begin(played.server, 3)
    answers(played, 20, "after the kill")
    at_s = crash(played, True)
    nothing_flushed_twice(played)
    again(played, "always", math.inf, at_s)


def slow_flush(played):
    """Readers do not notice, and writers wait rather than have a power cut lose more and more."""
    control = played.disk.control
    played.group.begin(played.server, 4)
    answers(played, 30, "before")
    control["delay_us"] = SLOW_US
    with played.server.client() as client, played.server.client() as writer:
        expect(settle(lambda: facts(client)["log_holds_writes_back"] == "1", SETTLE_S), "writers are not held back")
        writer.send(encode("SET", "mark", 3))
        for _ in range(100):
            begun_s = time.monotonic()
            client.call("GET", "mark")
            expect(time.monotonic() - begun_s < SLOW_US / 2e6, "reads wait for the disk")
        control["delay_us"] = 0
        expect(writer.read() == ("+", b"OK"), "the write that waited")
    answers(played, 30, "afterwards")
    at_s = crash(played, False)
    again(played, "everysec", math.inf, at_s)


# ------------------------------------------------------------------------------------------ writes


TOLD = {errno.EIO: b"Input/output error", errno.ENOSPC: b"No space left on device", errno.EDQUOT: b"Disk quota exceeded"}


def write_fails_once(played):
    """In its middle: half of it is there, and is no record that anybody was told of."""
    control = played.disk.control
    played.group.begin(played.server, 5, refusals=True)
    answers(played, 30, "before the failure")
    control["write_error"] = errno.EIO
    for number in range(1, 4):
        control["fail_writes"] = 1
        expect(settle(lambda: control["failed_writes"] == number, SETTLE_S), "no write came")
        answers(played, 40, "after the failure")
    at_s = crash(played, True)
    nothing_flushed_twice(played)
    again(played, "always", math.inf, at_s)


def writes_fail(error):
    """Under load, until writes are refused with the words for it. Then they succeed again, or the power goes."""

    def case(played, comes_back=True):
        control = played.disk.control
        played.group.begin(played.server, 6, refusals=True)
        answers(played, 30, "before the failure")
        control["write_error"] = error
        control["fail_writes"] = ALWAYS
        with played.server.client() as client:
            # Who was under way waits for its answer; whoever begins now is refused.
            expect(settle(lambda: facts(client)["log_refuses_writes"] == "1", SETTLE_S), "writes are not refused")
            expect(client.call("GET", "mark")[0] == "$", "reads are not answered")
            reply = client.call("SET", "mark", 2)
            expect(reply[0] == "-" and reply[1].startswith(b"MISCONF Errors writing to the AOF file: " + TOLD[error]), f"a write while none succeeds: {reply}")
        if comes_back:
            control["fail_writes"] = 0
            answers(played, 60, "when writes succeed again")
        at_s = crash(played, True)
        control["fail_writes"] = 0
        nothing_flushed_twice(played)
        again(played, "always", math.inf, at_s)

    return case


def writes_fail_and_power_goes(played):
    writes_fail(errno.EIO)(played, comes_back=False)


def short_writes(played):
    played.disk.control["short_writes"] = 1
    played.group.begin(played.server, 7)
    answers(played, 100, "with short writes")
    with played.server.client() as client:
        expect(client.call("SAVE") == ("+", b"OK"), "a snapshot with short writes")
    answers(played, 100, "behind the snapshot")
    again(played, "always", math.inf, crash(played, True))


def snapshot_fails(error):
    """Whoever writes does not notice, and the snapshot before is there."""

    def case(played):
        control = played.disk.control
        with played.server.client() as client:
            expect(client.call("SAVE") == ("+", b"OK"), "the first snapshot")
            played.group.begin(played.server, 8)
            answers(played, 30, "before the failure")
            control["only_snapshots"] = 1
            control["write_error"] = error
            control["fail_writes"] = ALWAYS
            reply = client.call("SAVE")
            expect(reply[0] == "-" and facts(client)["rdb_last_bgsave_status"] == "err", f"a snapshot that cannot be written: {reply}")
            answers(played, 60, "after a snapshot has failed")
            expect(played.group.refused() == 0, "writes are refused because a snapshot has failed")
            control["fail_writes"] = 0
            expect(client.call("SAVE") == ("+", b"OK") and facts(client)["rdb_last_bgsave_status"] == "ok", "a snapshot afterwards")
        names = [name for name in os.listdir(played.disk.folder) if name.startswith("snapshot-")]
        expect(len(names) == 1 and not names[0].endswith(".new"), f"snapshots that are left: {names}")
        answers(played, 30, "behind the snapshot")
        again(played, "always", math.inf, crash(played, True))

    return case


# ------------------------------------------------------------------------------------------ a full disk


def fill_disk(folder):
    path = os.path.join(folder, "ballast")
    with open(path, "wb") as file:
        try:
            while os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize > ROOM_LEFT:
                os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, BALLAST_SIZE)
        except OSError:
            pass
    return pathlib.Path(path)


def until_full(played):
    """Answers what fills the disk."""
    played.group.begin(played.server, 1, refusals=True)
    ballast = fill_disk(played.disk.folder)
    with played.server.client() as client:
        client.call("SELECT", 14)
        replies = (client.call("SET", f"large:{at % 50}", "x" * 100_000) for at in range(2000))
        refused = next((reply for reply in replies if reply[0] == "-"), None)
        expect(refused and refused[1].startswith(b"MISCONF Errors writing to the AOF file: No space left on device"), f"a full disk: {refused}")
        expect(client.call("GET", "large:0")[0] == "$", "reads are not answered")
    expect(settle(lambda: played.group.refused() > 5, SETTLE_S), "the writers are not refused")
    return ballast


def full_and_room_again(played):
    ballast = until_full(played)
    ballast.unlink()
    answers(played, 60, "with room again")
    again(played, "always", math.inf, crash(played, True))


def full_and_power_goes(played):
    ballast = until_full(played)
    at_s = crash(played, True)
    ballast.unlink(missing_ok=True)
    again(played, "always", math.inf, at_s)


def all_cases(report, seed, make, make_true, long=False):
    """`make`: a disk whose flushes can fail; `make_true`: one that can be full, or None. `long`: also what takes some seconds."""
    cases = [("always: a flush that fails once loses nothing", make, "always", fails_once),
             ("everysec: a flush that fails once loses nothing that was flushed or was to be kept", make, "everysec", fails_once),
             ("a power cut while no flush succeeds loses nothing", make, "always", fails_and_power_goes),
             ("when flushes succeed again writes are taken again", make, "always", fails_and_comes_back),
             ("what the kernel shows after failed flushes is made safe by the next start", make, "always", kernel_tells_more)]  # fmt: skip
    cases += [("writes that fail in their middle lose nothing, and service goes on by itself", make, "always", write_fails_once),
              ("while every write fails they are refused, and taken again when they succeed", make, "always", writes_fail(errno.EIO)),
              ("without room behind a shim the same, and no file can be made", make, "always", writes_fail(errno.ENOSPC)),
              ("a power cut while every write fails loses nothing", make, "always", writes_fail_and_power_goes),
              ("writes that take half of what they are given lose nothing", make, "always", short_writes),
              ("a snapshot that cannot be written is told of, and nothing else is refused", make, "always", snapshot_fails(errno.EIO)),
              ("a snapshot without room the same", make, "always", snapshot_fails(errno.ENOSPC))]  # fmt: skip
    if long:
        cases.append(("a quota that is used up is a full disk", make, "always", writes_fail(errno.EDQUOT)))
        cases.append(("while a flush takes long readers are answered and writers wait", make, "everysec", slow_flush))
    if make_true:
        cases += [("on a full disk writes are refused, and taken again when there is room", make_true, "always", full_and_room_again),
                  ("a power cut on a full disk loses nothing", make_true, "always", full_and_power_goes)]  # fmt: skip
    else:
        report.note("no disk of its own that could be full")
    for name, maker, mode, case in cases:
        disk = maker()
        try:
            # Snapshots take the log's place, so where the log is looked at there are none.
            with report.case(name), Play(disk, seed, False, mode=mode, rewrite="2mb" if maker is make_true else "64mb") as played:
                try:
                    case(played)
                except Exception as error:
                    raise Wrong(f"seed {seed}: {error}; {played.server.last_words()[-600:]}; kept in {played.keep()}") from error
        finally:
            disk.close()
