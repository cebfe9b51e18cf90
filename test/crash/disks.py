"""Disks whose power can be cut under a server, and what a server on them is started with.

    Folder   a plain directory: only kill -9
    Strict   a directory behind the shim (shim.c): a cut leaves exactly what was flushed, names too. Needs no rights
    Loop     ext4 in a file behind a loop device: a cut leaves what the kernel had written. Needs root; mounts are in a name space of the test's own

A disk has `folder`, where the server keeps its files, and `under`, what starts it. `crash(server, power)` ends the server and leaves in `folder` what is
there afterwards; `close()` puts everything away, as does the end of the test, however it ends.
"""

import ctypes
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import time

from harness import settle
from harness.servers import repository

STOP_S = 120  # a flush under way ends before its thread stops
IMAGE_BYTES = 400 << 20  # a life that is not cut short writes 80 MB before its log is long enough for a snapshot; files are sparse
RESERVED_PERCENT = "2"  # 8 MB that root may use when the disk is full for others
MEMORY, MEMORY_FOLDERS = "1g", []
CLONE_NEWNS = 0x00020000
SOURCE = os.path.join(os.path.dirname(os.path.realpath(__file__)), "shim.c")
FIELDS = ("plant", "fail", "delay_us", "flushes", "failed", "directory_flushes", "again", "fail_writes", "write_error", "only_snapshots", "short_writes",
          "failed_writes")  # fmt: skip
PLANTS = ("nothing", "flush left out", "reply before the flush", "directory not flushed")
ALWAYS = 0xFFFFFFFF


def shim():
    """Compiles the shim; answers its path."""
    folder = os.path.join(repository(), "build", "test")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "crash_shim.so")
    fresh = f"{path}.{os.getpid()}"
    command = ["cc", "-std=gnu17", "-O2", "-g", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE", "-shared", "-fPIC", "-pthread", "-o", fresh, SOURCE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"the shim does not compile: {done.stderr[:1500]}")
    os.replace(fresh, path)
    return path


def places(scratch):
    """Paths for one disk after the other."""
    number = 0
    while True:
        number += 1
        yield os.path.join(scratch, f"disk{number}")


def own_mounts():
    """From now on mounts of this process are its own, and go with it. Answers why not, or None."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS) != 0:
        return os.strerror(ctypes.get_errno())
    done = subprocess.run(["mount", "--make-rprivate", "/"], capture_output=True, text=True, check=False)
    return done.stderr.strip() or None if done.returncode else None


def memory_at(place):
    """A folder in memory: other programs' use of the disk is none of the test's business."""
    os.makedirs(place)
    run("mount", "-t", "tmpfs", "-o", f"size={MEMORY}", "tmpfs", place)
    MEMORY_FOLDERS.append(place)
    return place


def leave_memory():
    for place in MEMORY_FOLDERS:
        run("umount", place)
    MEMORY_FOLDERS.clear()


def run(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OSError(f"{' '.join(map(str, command))}: {done.stderr.strip() or done.returncode}")
    return done.stdout.strip()


def kill(process):
    process.kill()
    process.wait()


def is_stopped(pid):
    for path in pathlib.Path("/proc", str(pid), "task").iterdir():
        try:
            if (path / "stat").read_text().rpartition(")")[2].split()[0] not in "TZX":
                return False
        except OSError:  # a thread that has ended meanwhile
            continue
    return True


def halt(process):
    """Every thread stands still, and none is in the kernel any more. Answers how long that took."""
    begun = time.monotonic()
    process.send_signal(signal.SIGSTOP)
    if not settle(lambda: is_stopped(process.pid) or process.poll() is not None, STOP_S, 0.001):
        raise AssertionError("the server does not stop")
    return time.monotonic() - begun


class Control:
    """The shim's switches, in memory that it shares."""

    def __init__(self, path):
        self.path = path
        path.write_bytes(bytes(4 * len(FIELDS)))

    def __getitem__(self, name):
        return struct.unpack_from("=I", self.path.read_bytes(), 4 * FIELDS.index(name))[0]

    def __setitem__(self, name, value):
        with open(self.path, "r+b") as file:
            file.seek(4 * FIELDS.index(name))
            file.write(struct.pack("=I", value))


class Folder:
    name = "a plain folder"
    power = False

    def __init__(self, place):
        self.place = pathlib.Path(place)
        self.folder = str(self.place / "data")
        self.under = []
        os.makedirs(self.folder)

    def crash(self, process, power):
        """Answers how long the server needed to stand still."""
        assert not power
        kill(process)
        return 0.0

    def close(self):
        shutil.rmtree(self.place, ignore_errors=True)


class Shimmed(Folder):
    """With switches, on the true disk."""

    def __init__(self, place, library, strict=False):
        super().__init__(place)
        self.control = Control(self.place / "control")
        self.folder = os.path.realpath(self.folder)
        self.under = ["/usr/bin/env", f"LD_PRELOAD={library}", f"CRASH_FOLDER={self.folder}", f"CRASH_CONTROL={self.place / 'control'}"]
        if strict:
            self.durable = self.place / "durable"
            self.durable.mkdir()
            self.under.append(f"CRASH_DURABLE={self.durable}")


def identity(path):
    """As the shim names it: inode and time of birth."""
    text = subprocess.run(["stat", "-c", "%i %.9W", path], capture_output=True, text=True, check=True).stdout
    inode, born = text.split()
    return f"{inode}-{born}"


class Strict(Shimmed):
    name = "a disk that keeps what was flushed and nothing else"
    power = True

    def __init__(self, place, library):
        super().__init__(place, library, strict=True)

    def crash(self, process, power):
        took = halt(process) if power else 0.0
        kill(process)
        if power:
            self.cut()
        return took

    def cut(self):
        """The folder is made again of what is durable; what is there then is durable under its new names."""
        folder, before = pathlib.Path(self.folder), self.place / "before"
        os.rename(self.durable, before)
        shutil.rmtree(folder)
        folder.mkdir()
        self.durable.mkdir()
        names = before / "names"
        lines = []
        for line in names.read_text().splitlines() if names.exists() else []:
            old, name = line.split(" ", 1)
            if (before / old).exists():
                shutil.copyfile(before / old, folder / name)
            else:
                (folder / name).touch()
            new = identity(folder / name)
            shutil.copyfile(folder / name, self.durable / new)
            lines.append(f"{new} {name}\n")
        (self.durable / "names").write_text("".join(lines))
        shutil.rmtree(before)


class Loop(Shimmed):
    """`library`: with the shim's switches; None: nothing between server and kernel."""

    name = "ext4 on a loop device"
    power = True

    def __init__(self, place, library=None):
        super().__init__(place, library or "")
        if not library:
            self.under = []
        self.image = self.place / "image"
        with open(self.image, "wb") as file:
            file.truncate(IMAGE_BYTES)
        run("mkfs.ext4", "-q", "-F", "-m", RESERVED_PERCENT, "-J", "size=8", self.image)
        self.mounted = False
        self.mount()

    def mount(self):
        device = run("losetup", "--find", "--show", "--direct-io=on", self.image)
        try:
            run("mount", "-o", "commit=60,noatime", device, self.folder)
            self.mounted = True
        finally:  # it goes when the mount does
            run("losetup", "--detach", device)

    def unmount(self):
        if self.mounted:
            run("umount", self.folder)
            self.mounted = False

    def crash(self, process, power):
        took = halt(process) if power else 0.0
        if power:
            run("cp", "--sparse=always", self.image, self.place / "copy")
        kill(process)
        if power:
            self.unmount()
            os.replace(self.place / "copy", self.image)
            self.mount()
        return took

    def close(self):
        self.unmount()
        super().close()


def loop_refused(place):
    """Why there can be no loop device here; None if there can."""
    try:
        Loop(place).close()
    except OSError as error:
        shutil.rmtree(place, ignore_errors=True)
        return str(error)
    return None
