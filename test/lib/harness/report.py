"""The lines that a test prints: `ok CASE`, `not ok CASE - why`, and its exit status."""

import contextlib
import sys
import threading
import time
import traceback


class Report:
    """Collects cases. Use `with report.case("name"):` and raise (or assert) inside to fail it. Several threads may do so at the same time."""

    def __init__(self):
        self.passed = 0
        self.failed = 0
        self.selected = sys.argv[1:]
        self.started = time.monotonic()
        self.lock = threading.Lock()

    def _tell(self, line, passed=0, failed=0):
        with self.lock:
            self.passed += passed
            self.failed += failed
            print(line, flush=True)

    def ok(self, case):
        self._tell(f"ok {case}", passed=1)

    def not_ok(self, case, why):
        why = " | ".join(line.strip() for line in str(why).splitlines() if line.strip())
        self._tell(f"not ok {case} - {why[:2000]}", failed=1)

    def note(self, text):
        """Something worth reading in the log that is neither a pass nor a failure."""
        self._tell(f"# {text}")

    @contextlib.contextmanager
    def case(self, name):
        try:
            yield
        except Exception as error:  # a case must not take the other cases with it
            where = traceback.extract_tb(error.__traceback__)[-1]
            self.not_ok(name, f"{type(error).__name__}: {error} ({where.name}:{where.lineno})")
        else:
            self.ok(name)

    def expect(self, case, condition, why):
        if condition:
            self.ok(case)
        else:
            self.not_ok(case, why)

    def exit(self):
        seconds = time.monotonic() - self.started
        self.note(f"{self.passed} passed, {self.failed} failed, {seconds:.1f} s")
        if self.passed == 0:
            self.not_ok("any case ran", "no case was run")
        sys.exit(1 if self.failed else 0)
