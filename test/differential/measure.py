"""One differential run: random part, flows, counts; one line for each command."""

import collections
import time

import commands
import compare
import flows
from session import Session


def differential(report, seed, operations, rounds, replies_min):
    """`rounds`: how often each flow runs. `replies_min`: successful replies that each label must get."""
    differences = compare.known_differences()
    report.note(f"seed {seed}; {len(commands.FORMS)} forms, {len(flows.FLOWS)} flows, {len(differences)} known differences")
    with Session(seed) as session:
        started = time.monotonic()
        with report.case("random requests"):
            session.run_random(operations)
        random_s = time.monotonic() - started
        random_part(report, session, replies_min if session.ends == 0 else 0)  # what was cut short is not counted
        for name, flow in flows.FLOWS.items():
            with report.case(f"flow: {name}"):
                try:
                    flow(session, rounds)
                except Exception:
                    session.revive(name)
                    session.afresh()
                    raise
        ended = session.differences.get("server", "")
        report.expect("the server never ends by itself", session.ends == 0 and session.ours.alive(), ended or session.ours.last_words())
        least = min((session.counted[one.label], one.label) for one in commands.FORMS)
        report.note(
            f"{session.operations} operations, {session.errors} of them errors, random part {random_s:.1f} s; "
            f"fewest successful replies: {least[0]} of {least[1]}"
        )
        flows.shutdown(report, session)


def random_part(report, session, replies_min):
    by_command = collections.defaultdict(list)
    for one in commands.FORMS:
        by_command[one.command or one.label].append(one.label)
    for label in session.differences:  # of requests that belong to no form
        if label != "server" and not any(label in labels for labels in by_command.values()):
            by_command[label].append(label)
    for command, labels in by_command.items():
        wrong = [f"{label}: {session.differences[label]}" for label in labels if label in session.differences]
        few = [f"{label}: only {session.counted[label]} replies" for label in labels if session.counted[label] < replies_min]
        if wrong:
            report.not_ok(command, "\n".join(wrong))
        elif few:
            report.not_ok(command, "\n".join(few))
        else:
            report.ok(f"{command} ({len(labels)} forms, {min(session.counted[label] for label in labels)} replies or more each)")
