"""Rules that are replaced again and again while commands that go by them sleep in the middle: each finishes with the ones that it began with."""

import threading
import time

KEYS = 3000
EXECS = 4
EXPRESSIONS = 3
RULES = 'version: 1\nkeys:\n  "e:{id}": { invalidates: ["f:{id}"] }\n  "f:{id}": {}\n'
OTHERS = RULES + '  "g:{id}": {}\n'


def play(server, seconds):
    """Answers how often each was done."""
    until = time.monotonic() + seconds
    done = {"loads": 0, "expressions": 0, "explanations": 0, "transactions": 0}
    failures = []

    def repeat(what, batch):
        try:
            with server.client() as client:
                number = 0
                while time.monotonic() < until:
                    client.calls(batch(number))
                    number += 1
                done[what] += number
        except Exception as error:
            failures.append(f"{what}: {type(error).__name__}: {error}")

    def writes(number):
        """Holds locks on which the others sleep."""
        return [("MULTI",), *(("SET", f"e:{(number * 7 + i) % KEYS}", "v") for i in range(40)), ("EXEC",)]

    with server.client() as client:
        client.calls([("SET", f"e:{number}", "v") for number in range(KEYS)])
    who = [("loads", lambda number: [("RULES", "LOAD", OTHERS if number % 2 else RULES)])]
    who += [("expressions", lambda number: [("INVALIDATE", "REGEX", "^e:1.$")])] * EXPRESSIONS
    who += [("explanations", lambda number: [("EXPLAIN", f"e:{number * 11 % KEYS}"), ("RULES", "MATCH", "e:1"), ("INVALIDATE", "KEY", "f:1", "DRYRUN")])]
    who += [("transactions", writes)] * EXECS
    threads = [threading.Thread(target=repeat, args=one) for one in who]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return done, failures
