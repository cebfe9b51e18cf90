#!/usr/bin/env python3
"""Builds and runs tests and counts their cases; the last line is `N passed, N failed`.

    test.py                 everything
    test.py NAME[/CASE]     a unit test module, a folder of src, a fuzzer, or a script in test/
    test.py --cover         unit tests and scripts on the build that counts lines

Unit tests and fuzzers are those that meson knows; scripts are the executables test/*/run. CONTRIBUTING.md says what a
script is given and what it prints.
"""

import functools
import json
import os
import pathlib
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
LOGS = ROOT / "build/test/log"
LOCALES = ROOT / "build/test/locale"
PROGRAMS_MAX = max(1, min(2, os.cpu_count() or 1))  # unit tests and fuzzers at a time, which only compute
SCRIPTS_MAX = 2  # beside one of those; they wait for what they talk to half of their time
SCRIPT_SECONDS_MAX = 300
FUZZ_SECONDS = 2  # libFuzzer ends when more than so many whole seconds are over: three
CASE = re.compile(r"^\s*(ok|not ok)\b\s*(?:\d+)?\s*(?:-\s*)?(.*)$")
PLAN = re.compile(r"^\s*1\.\.(\d+)\s*$")

# Suites that each kind runs.
KINDS = {
    "debug": ("unit", "threads", "bench"),
    "asan": ("unit", "threads", "fuzz"),
    "tsan": ("threads",),
    "cover": ("unit", "threads"),
}


class Job:
    """One program to run: a unit test binary, a fuzzer or a script."""

    def __init__(self, kind, name, command, counts_cases, seconds_max, filter_text=""):
        self.kind, self.name, self.command = kind, name, command
        self.counts_cases = counts_cases  # else the program is one case: its exit status
        self.seconds_max = seconds_max
        self.filter = filter_text
        self.passed, self.failures, self.seconds, self.processor_s = 0, [], 0.0, 0.0

    @property
    def label(self):
        return f"{self.kind} {self.name}" + (f" {self.filter}" if self.filter else "")

    @property
    def log(self):
        return LOGS / (re.sub(r"[^A-Za-z0-9_.-]+", "_", self.label) + ".txt")


def shell(function, *arguments):
    """Calls one of the shell functions that ./dev is made of."""
    script = 'cd "$1"; shift; . tools/packages.sh; . tools/kinds.sh; "$@"'
    return subprocess.run(["sh", "-eu", "-c", script, "sh", str(ROOT), function, *arguments],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


def introspect(kind):
    """The tests of a build as (suite, what meson knows of it)."""
    listing = subprocess.run(["meson", "introspect", "--tests", str(ROOT / "build" / kind)], check=True,
                             stdout=subprocess.PIPE, text=True)
    return [(test["suite"][0].split(":")[-1], test) for test in json.loads(listing.stdout)]


def build(kind, failed):
    """Configures and builds what a kind runs; answers whether that worked."""
    started = time.monotonic()
    result = shell("kind_configure", kind)
    if result.returncode == 0:
        targets = []
        if kind == "tsan":
            targets = [os.path.relpath(test["cmd"][0], ROOT / "build" / kind) for suite, test in introspect(kind)
                       if suite == "threads"]
            if not targets:
                return True
        result = shell("kind_build", kind, *targets)
    if result.returncode != 0:
        print(result.stdout)
        print(f"build/{kind} does not build")
        failed.append(f"build {kind}")
        return False
    print(f"built {kind}  {time.monotonic() - started:.1f} s", flush=True)
    return True


def meson_jobs(kind, seed):
    jobs = []
    for suite, test in introspect(kind):
        if suite not in KINDS[kind]:
            continue
        is_unit_binary = pathlib.Path(test["cmd"][0]).name.startswith("test_")
        if suite == "fuzz":
            program = str(ROOT / "build" / kind / test["cmd"][2])
            command = [str(ROOT / "tools/fuzz.sh"), program, test["name"], str(FUZZ_SECONDS), str(seed)]
            jobs.append(Job("fuzz", test["name"], command, False, 120))
        elif is_unit_binary or kind == "debug":  # other programs, such as tests of generators, are the same in every kind
            jobs.append(Job(kind, test["name"], test["cmd"], is_unit_binary, test["timeout"]))
    return jobs


def script_jobs():
    jobs = []
    for path in sorted((ROOT / "test").glob("*/run")):
        if os.access(path, os.X_OK):
            limit = re.search(r"^\W*seconds_max: (\d+)", path.read_text(errors="replace"), re.M)
            jobs.append(Job("script", path.parent.name, [str(path)], True,
                            int(limit.group(1)) if limit else SCRIPT_SECONDS_MAX))
    return jobs


def select(wanted):
    """The kinds to build and a function that picks jobs, for NAME[/CASE]."""
    sources = {path.stem.replace("_test", ""): path.parent for path in (ROOT / "src").rglob("*_test.c")}
    fuzzers = {path.stem.replace("_fuzz", "") for path in (ROOT / "src").rglob("*_fuzz.c")}
    name, _, case = wanted.partition("/")
    if (ROOT / "src" / wanted).is_dir():
        return ["debug", "asan"], lambda job: job.name.split()[0] == wanted and job.kind != "script"
    if (ROOT / "test" / name / "run").exists():
        def pick_script(job):
            job.filter = case
            return job.kind == "script" and job.name == name
        return ["release", "asan"], pick_script
    if name in sources:
        folder = str(sources[name].relative_to(ROOT / "src"))

        def pick_module(job):
            main = ROOT / "build" / job.kind / "src" / (pathlib.Path(job.command[0]).name[5:] + "_unit_main.c")
            if job.kind == "script" or job.name.split()[0] != folder or not main.exists():
                return False
            job.filter = wanted
            return f"unit_group_{name};" in main.read_text()
        return ["debug", "asan"], pick_module
    if name in fuzzers:
        return ["asan"], lambda job: job.kind == "fuzz" and job.name == name
    return None, None


def environment(job, seed, scratch, cover):
    result = dict(os.environ)
    program = ROOT / "build" / ("cover" if cover else "release") / "strata"
    result.update({
        "STRATA_SEED": str(seed),
        "STRATA_ROOT": str(ROOT),
        "STRATA_PROGRAM": str(program),
        "STRATA_PROGRAM_ASAN": str(ROOT / "build" / ("cover" if cover else "asan") / "strata"),
        "STRATA_SCRATCH": scratch,
        "LOCPATH": str(LOCALES),
        "PYTHONDONTWRITEBYTECODE": "1",
        "CMOCKA_MESSAGE_OUTPUT": "TAP",
        "ASAN_OPTIONS": "detect_stack_use_after_return=1:allocator_may_return_null=1",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "TSAN_OPTIONS": "second_deadlock_stack=1",
    })
    return result


@functools.cache
def can_fix_addresses():
    return subprocess.run(["setarch", "-R", "true"], capture_output=True, check=False).returncode == 0


def fixed_addresses(kind):
    """The sanitizers of clang 14 do not start under kernels that scatter addresses more than they expect."""
    return ["setarch", "-R"] if kind in ("asan", "tsan", "fuzz") and can_fix_addresses() else []


def end_session(child):
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def wait(job, child):
    """Its exit status, None if it took too long; nothing of its session is left. Its processor time goes to the job: its own and that of
    those whose end it has waited for."""
    late = threading.Event()

    def cut():
        late.set()
        end_session(child)

    limit = threading.Timer(job.seconds_max, cut)
    limit.start()
    _, status, used = os.wait4(child.pid, 0)
    limit.cancel()
    end_session(child)
    child.returncode = os.waitstatus_to_exitcode(status)
    job.processor_s = used.ru_utime + used.ru_stime
    return None if late.is_set() else child.returncode


def run(job, seed, cover):
    scratch = tempfile.mkdtemp(prefix="strata-")
    started = time.monotonic()
    command = fixed_addresses(job.kind) + job.command + ([job.filter] if job.filter else [])
    with open(job.log, "wb") as log:
        # A session of its own, so that whatever the program leaves behind ends with it.
        child = subprocess.Popen(command, cwd=ROOT, env=environment(job, seed, scratch, cover), stdin=subprocess.DEVNULL,
                                 stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        status = wait(job, child)
    job.seconds = time.monotonic() - started
    shutil.rmtree(scratch, ignore_errors=True)
    count(job, status)


def count(job, status):
    """Counts cases from the log. A program that ends badly, or not at all, or short of its plan fails at least once."""
    planned, seen = 0, 0
    for line in job.log.read_text(errors="replace").splitlines() if job.counts_cases else []:
        plan, case = PLAN.match(line), CASE.match(line)
        if plan:
            planned += int(plan.group(1))
        elif case:
            seen += 1
            if case.group(1) == "ok":
                job.passed += 1
            else:
                job.failures.append(case.group(2) or f"case {seen}")
    if status is None:
        job.failures.append(f"ran longer than {job.seconds_max} s")
    elif status < 0:
        job.failures.append(f"ended by signal {-status}")
    elif status != 0 and not job.failures:
        job.failures.append(f"ended with status {status}")
    elif job.counts_cases and planned > seen:
        job.failures.append(f"ran {seen} of {planned} cases")
    elif job.counts_cases and seen == 0:
        job.failures.append("ran no case")
    elif not job.counts_cases and status == 0:
        job.passed = 1


def report(job):
    line = f"{job.label}  {job.passed} passed"
    if job.failures:
        line += f", {len(job.failures)} failed"
    print(f"{line}  {job.seconds:.1f} s, processor {job.processor_s:.1f} s", flush=True)
    if job.failures:
        for failure in job.failures:
            print(f"    not ok {failure}")
        tail = job.log.read_text(errors="replace").splitlines()[-40:]
        print("\n".join("    | " + line for line in tail))
        print(f"    log: {job.log.relative_to(ROOT)}", flush=True)


def make_locale():
    """A locale with a decimal comma for tests that want one; a bare machine has none installed."""
    place = LOCALES / "de_DE.UTF-8"
    if not place.exists():
        LOCALES.mkdir(parents=True, exist_ok=True)
        subprocess.run(["localedef", "-i", "de_DE", "-f", "UTF-8", str(place)], check=True)


class Schedule:
    """Which job is next. Scripts wait for servers and clients half of their time, unit tests and fuzzers never: one of those runs beside two
    scripts, as long as there are scripts. The kinds whose programs run longest come first and the fuzzers, a few seconds each, last, so that all end together."""

    ORDER = {kind: place for place, kind in enumerate(("tsan", "asan", "debug", "cover", "fuzz"))}

    def __init__(self, jobs):
        self.scripts = [job for job in jobs if job.kind == "script"]
        self.programs = sorted((job for job in jobs if job.kind != "script"), key=lambda job: self.ORDER[job.kind])
        self.running = {True: 0, False: 0}  # scripts, programs
        self.lock = threading.Lock()

    def next(self):
        """None: those that run are the last."""
        with self.lock:
            script_next = self.scripts and (self.running[True] < SCRIPTS_MAX or not self.programs)
            if self.programs and (self.running[False] == 0 or (not self.scripts and self.running[False] < PROGRAMS_MAX)):
                script_next = False
            elif not script_next:
                return None
            self.running[bool(script_next)] += 1
            return (self.scripts if script_next else self.programs).pop(0)

    def done(self, job):
        with self.lock:
            self.running[job.kind == "script"] -= 1


def run_all(jobs, seed, cover):
    schedule, done = Schedule(jobs), queue.Queue()

    def work():
        while (job := schedule.next()) is not None:
            try:
                run(job, seed, cover)
            except Exception as error:  # a program that cannot even be started is a failed test
                job.failures.append(f"could not run: {error}")
                if not job.log.exists():
                    job.log.write_text("")
            schedule.done(job)
            done.put(job)

    threads = [threading.Thread(target=work) for _ in range(1 + SCRIPTS_MAX)]
    for thread in threads:
        thread.start()
    for _ in jobs:
        report(done.get())
    for thread in threads:
        thread.join()


def main(arguments):
    cover = arguments[:1] == ["--cover"]
    wanted = arguments[0] if arguments and not cover else ""
    kinds, pick = ["release", "debug", "asan", "tsan"], lambda job: True
    if cover:
        kinds = ["cover"]
    elif wanted:
        kinds, pick = select(wanted)
        if not kinds:
            print(f"there is no module, folder, script or fuzzer named {wanted}")
            print("0 passed, 1 failed")
            return 1
    seed = int(os.environ.get("STRATA_SEED") or str(time.time_ns() % 1_000_000_000), 0)
    print(f"seed {seed}: STRATA_SEED={seed} ./dev test{' ' + wanted if wanted else ''} repeats this run", flush=True)
    LOGS.mkdir(parents=True, exist_ok=True)
    make_locale()
    broken, jobs = [], []
    for kind in kinds:
        if build(kind, broken) and kind in KINDS:
            jobs += meson_jobs(kind, seed)
    jobs = [job for job in jobs + script_jobs() if pick(job)]
    if not jobs and not broken:
        broken.append("no test fits")
        print(f"nothing to run for {wanted}")
    run_all(jobs, seed, cover)
    passed = sum(job.passed for job in jobs)
    failed = sum(len(job.failures) for job in jobs) + len(broken)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
