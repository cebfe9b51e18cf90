"""How two replies are compared: exactly, unless a rule here says what may differ.

Each rule that forgives more than order or the passing of time is one of the known differences and has its reason in
differences.yaml; `known_differences` makes sure that the two lists are the same.
"""

import os
import re

from harness.resp import plain

# Exempt as a whole: the two programs cannot answer alike. Only the type of the reply is compared.
EXEMPT = ("RANDOMKEY TIME INFO MEMORY CLIENT-ID CLIENT-LIST CLIENT-INFO OBJECT-IDLETIME OBJECT-FREQ OBJECT-ENCODING").split()

DIFFERENCES_MAX = 20
NEAR_MS = 200
NEAR_S = 1

known = {}


def difference(name):
    """Registers a rule under the name that it has in differences.yaml."""

    def register(function):
        known[name] = function
        return function

    return register


def known_differences():
    """Reads differences.yaml (a flat list of name and reason) and checks it against the rules; answers {name: reason}."""
    path = os.path.join(os.path.dirname(__file__), "differences.yaml")
    listed = {}
    name = None
    with open(path) as lines:
        for line in lines:
            if match := re.match(r"- name: (\S+)$", line.rstrip()):
                name = match.group(1)
                listed[name] = ""
            elif match := re.match(r"  reason: (.+)$", line.rstrip()):
                listed[name] = match.group(1)
    if set(listed) != set(known):
        raise AssertionError(f"differences.yaml and the rules disagree about {set(listed) ^ set(known)}")
    if len(listed) > DIFFERENCES_MAX:
        raise AssertionError(f"{len(listed)} differences, {DIFFERENCES_MAX} allowed")
    for name, reason in listed.items():
        if not reason:
            raise AssertionError(f"{name} has no reason in differences.yaml")
    return listed


# ------------------------------------------------------------- plain rules


def equal(ours, theirs):
    return ours == theirs


def same_type(ours, theirs):
    """For exempt commands: the type, whether it is null, and errors letter by letter."""
    if ours[0] == "-" or theirs[0] == "-":
        return ours == theirs
    return ours[0] == theirs[0] and (ours[1] is None) == (theirs[1] is None)


def sorted_members(ours, theirs):
    if ours[0] not in "*~%" or ours[0] != theirs[0] or ours[1] is None or theirs[1] is None:
        return ours == theirs
    return sorted(ours[1], key=repr) == sorted(theirs[1], key=repr)


def near(tolerance):
    """Integers that count time: -1 and -2 exactly, others within `tolerance`."""

    def compare(ours, theirs):
        if ours[0] != ":" or theirs[0] != ":" or ours[1] < 0 or theirs[1] < 0:
            return ours == theirs
        return abs(ours[1] - theirs[1]) <= tolerance

    return compare


near_ms = near(NEAR_MS)
near_s = near(NEAR_S)


def members(compares):
    """For EXEC: each member by the rule of the command that it answers."""

    def compare(ours, theirs):
        if ours[0] != "*" or theirs[0] != "*" or ours[1] is None or theirs[1] is None:
            return ours == theirs
        if len(ours[1]) != len(theirs[1]) or len(ours[1]) != len(compares):
            return ours == theirs
        return all(agree(rule, one, other) for rule, one, other in zip(compares, ours[1], theirs[1]))

    return compare


# -------------------------------------------------------- known differences


def fields(reply):
    """A map, or the flat array that RESP2 makes of it, as (shape, dict)."""
    if reply[0] == "%":
        return "%", {plain(key): value for key, value in reply[1]}
    if reply[0] == "*" and reply[1] is not None and len(reply[1]) % 2 == 0:
        pairs = reply[1]
        return "*", {plain(pairs[i]): pairs[i + 1] for i in range(0, len(pairs), 2)}
    return reply[0], None


@difference("hello-identity")
def hello(ours, theirs):
    shape, one = fields(ours)
    other_shape, other = fields(theirs)
    if one is None or other is None:
        return ours == theirs
    for name in (b"server", b"version"):
        if one.get(name, ("", None))[0] != "$" or other.pop(name)[0] != "$":
            return False
        one.pop(name)
    if one.pop(b"id", ("", 0))[0] != ":" or other.pop(b"id")[0] != ":":
        return False
    return shape == other_shape and one == other


@difference("help-wording")
def help_text(ours, theirs):
    if ours[0] != theirs[0] or ours[0] != "*" or not ours[1]:
        return ours == theirs
    kind = theirs[1][0][0]
    return all(line[0] == kind for line in ours[1])


@difference("client-list-filters")
def client_list(ours, theirs):
    return ours[0] == theirs[0] or (theirs[0] == "-" and ours[0] in "-$=")


@difference("doctor-wording")
def doctor(ours, theirs):
    return ours[0] == theirs[0] and (ours[0] != "-" or ours == theirs) and bool(ours[1])


def unpacked(reply):
    from rdb import payload_value

    return reply if reply[0] != "$" or reply[1] is None else ("$", payload_value(reply[1]))


@difference("dump-encoding")
def dump(ours, theirs):
    return unpacked(ours) == unpacked(theirs)


COMPARED_FLAGS = {b"write", b"readonly", b"denyoom", b"fast", b"blocking", b"movablekeys", b"noscript", b"admin"}


@difference("command-info-details")
def command_info(ours, theirs):
    if ours[0] != "*" or theirs[0] != "*" or ours[1] is None or theirs[1] is None:
        return ours == theirs
    if len(ours[1]) != len(theirs[1]):
        return False
    for one, other in zip(ours[1], theirs[1]):
        if one[1] is None or other[1] is None:
            if one != other:
                return False
            continue
        if len(one[1]) < 7:
            return False
        for index in (0, 1, 3, 4, 5):  # name, arity, first key, last key, step
            if one[1][index] != other[1][index]:
                return False
        if one[1][2][0] != other[1][2][0]:
            return False
        if COMPARED_FLAGS & set(plain(one[1][2])) != COMPARED_FLAGS & set(plain(other[1][2])):
            return False
    return True


@difference("command-docs-wording")
def command_docs(ours, theirs):
    shape, one = fields(ours)
    other_shape, other = fields(theirs)
    if one is None or other is None or shape != other_shape or set(one) != set(other):
        return ours == theirs
    for name, value in one.items():
        inner_shape, described = fields(value)
        other_inner_shape, expected = fields(other[name])
        if inner_shape != other_inner_shape or not described[b"summary"][1]:
            return False
        if described[b"group"] != expected[b"group"] or described[b"since"] != expected[b"since"]:
            return False
    return True


@difference("command-count")
def command_count(ours, theirs):
    return ours[0] == theirs[0] == ":" and 70 <= ours[1] <= 1000


@difference("command-list")
def command_list(ours, theirs):
    """Ours may lack commands of types that are not there yet, and may have newer ones; the ones asked for must be in both."""
    if ours[0] != theirs[0] or ours[0] == "-":
        return ours == theirs
    asked = {b"get", b"set", b"mget", b"expire", b"bitfield", b"ping", b"client", b"scan", b"exec"}
    return {m[1] for m in ours[1]} & asked == {m[1] for m in theirs[1]} & asked


@difference("refcount")
def refcount(ours, theirs):
    if ours[0] == theirs[0] == ":":
        return ours[1] >= 1
    return ours == theirs


def scan(ours, theirs):
    """Cursors are each server's own, so only the shape of one step can be compared; whole iterations are in flows.py."""
    if ours[0] == "-" or theirs[0] == "-":
        return ours == theirs
    return [member[0] for member in ours[1]] == [member[0] for member in theirs[1]] == ["$", "*"]


@difference("empty-key-and-stars")
def keys(ours, theirs):
    """KEYS: the empty key is left out of the comparison."""
    if ours[0] != "*" or theirs[0] != "*":
        return ours == theirs
    return sorted(m for m in ours[1] if m[1]) == sorted(m for m in theirs[1] if m[1])


@difference("hello-half-done")
def name_unchanged(ours, theirs):
    return ours[0] in "$_" and ours[1] is None and theirs == ("$", b"halfway")


CLIPPED_BYTES = 100


@difference("long-quotations")
def clipped(ours, theirs):
    """Errors that quote an argument: here at most its first 128 bytes."""
    long = theirs[0] == ours[0] == "-" and len(theirs[1]) > len(ours[1]) > CLIPPED_BYTES
    return long and ours[1][:CLIPPED_BYTES] == theirs[1][:CLIPPED_BYTES]


def agree(rule, ours, theirs):
    return rule(ours, theirs) or clipped(ours, theirs)


@difference("restore-time")
def restore_time(ours, theirs):
    return ours == ("-", b"ERR Invalid TTL value, out of range") and theirs == ("+", b"OK")


@difference("maxmemory-zero")
def maxmemory_zero(ours, theirs):
    return ours[0] == "-" and b"maxmemory" in ours[1] and theirs == ("+", b"OK")


@difference("config-ranges")
def config_range(ours, theirs):
    if ours[0] != "-" or theirs[0] != "-":
        return ours == theirs
    ranges = re.compile(rb"must be between -?\d+ and \d+ inclusive")
    return ranges.sub(b"range", ours[1]) == ranges.sub(b"range", theirs[1])


@difference("latency-timing")
def timing(ours, theirs):
    """Replies that hold measured times: the shape of the first two levels."""
    if ours[0] == "-" or theirs[0] == "-":
        return ours == theirs
    return ours[0] == theirs[0]
