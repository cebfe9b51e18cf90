"""No route of HTTP shows, tells of, or changes a key outside the rights of its user.

The trial of bounds.py over HTTP: the same kinds of users and the same two worlds. Routes, their queries and fields are those of spec/http.yaml; what is sent on each is said here, so that a new one
fails until somebody has thought of it. Status, fields and body of the two answers are compared, and what is outside must be as before.
"""

import base64
import http.client
import json
import pathlib
import random
import re
import urllib.parse

import yaml
from bounds import worlds
from generator import ALMIGHTY, IDS, NEEDS_ALL, NUMBERED, OWN_WAY, UNORDERED, Maker, leaves, meant
from harness.servers import repository, seed, settle
from kinds import HEAD, KINDS, POOL, Kind, holds_mark

ROUNDS = 10  # of each route and kind
JSON, YAML = {"Content-Type": "application/json"}, {"Content-Type": "application/yaml"}
FLAGS = ["", "true", "no"]
QUERIES = {"prefix": ["mine", "yours", "user:", ""], "match": ["*", "mine:*", "yours:*", "[my]*", "user:1", "max*"], "cursor": ["0", "1", "x"], "limit": ["1", "100", "x"], "form": ["json"], "ttl": ["1000s", "2h", "x"],
           "keepttl": FLAGS, "tags": ["minetag,theirtag", "x", ","], "tag": ["minetag", "theirtag"], "version": ["5", "0"], "newer": ["5", "x"], "soft": FLAGS, "dryrun": FLAGS, "names": ["strata", "redis", "x"],
           "types": ["invalidated", "gap"], "class": ["mine:{id}", "yours:{id}"], "writes": FLAGS, "groups": FLAGS, "after": ["x:1", "x"], "heartbeat_ms": ["100", "x"], "section": ["keyspace", "everything", "stats"],
           "db": ["0", "1", "99"]}  # fmt: skip
VERSIONS = ["*", '"5"', 'W/"7"', '"0"', "x"]
FIELDS = {"If-None-Match": VERSIONS, "If-Match": VERSIONS, "Range": ["bytes=0-3", "bytes=-1", "bytes=90-", "x"], "Cache-Control": ["max-age=100000", "s-maxage=x"], "Surrogate-Key": ["minetag theirtag", "x"],
          "Cache-Tag": ["minetag,theirtag", ","], "Fastly-Soft-Purge": ["1"], "Last-Event-ID": ["x:1", "x"]}  # fmt: skip
# Answers that depend on the time, the connection or on how many keys there are; their statuses are compared all the same, and names and values looked for.
OWN = {"metrics", "info", "stats", "stores", "store", "clients", "snapshots", "key_list", "config_get", "health", "rules_get"}
OWN_TO_ALL = {"slowlog", "classes", "explain", "tag_get"}  # which are refused to who may not read every key


def routes():
    with open(pathlib.Path(repository()) / "spec" / "http.yaml", encoding="utf-8") as file:
        return yaml.safe_load(file)["routes"]


# ------------------------------------------------------------------------------ what is sent


class Bodies:
    """What is sent to the routes that take something: one function for each handler."""

    def __init__(self, rng, kind, commands):
        self.rng, self.kind, self.commands = rng, kind, commands
        self.maker = Maker(rng, kind.names())
        self.command = None

    def key(self):
        return self.rng.choice(self.maker.names)

    def some(self, *choices):
        return [self.rng.choice(choices) for _ in range(self.rng.randrange(3))]

    def operation(self):
        verb = self.rng.choice(["get", "delete", "set", "set"])
        one = {"op": verb, "key": self.key()}
        if verb == "set":
            one["value"] = self.rng.choice(["own value", "12", ""])
            one.update({name: value for name, value in [("ttl", 100000), ("tags", ["minetag"]), ("if", self.rng.choice(["absent", "present", 5])), ("version", 5)] if self.rng.random() < 0.3})
        return one

    def key_batch(self):
        return {"operations": [self.operation() for _ in range(self.rng.randrange(1, 6))], "atomic": self.rng.random() < 0.5}

    def key_put(self):
        return self.rng.choice([b"own value", b"12", b""])

    def key_patch(self):
        whole = {"ttl": 100000, "persist": True, "tags": {"add": ["minetag"], "remove": ["theirtag"]}, "increment": 1, "append": "x", "create": True}
        return {name: whole[name] for name in self.rng.sample(sorted(whole), self.rng.randrange(1, 4))}

    def invalidate(self):
        whole = {"keys": [self.key() for _ in range(2)], "tags": self.some("minetag", "theirtag"), "classes": self.some("mine:{id}", "user:{id}", "yours:{id}"), "patterns": self.some("mine:*", "yours:*", "*", "user:{id}"),
                 "pattern": "cart:*", "regex": "^yours:", "event": "happens", "data": {"id": 1}}  # fmt: skip
        more = {"soft": True, "dryrun": True, "reason": "a test", "sync_ms": 1}
        chosen = ["keys"] if self.rng.random() < 0.5 else self.rng.sample(sorted(whole), 2)
        return {**{name: whole[name] for name in chosen}, **{name: more[name] for name in more if self.rng.random() < 0.2}}

    def rules_put(self):
        return self.rng.choice([HEAD.replace("keys:\n", "").encode(), b"x", b"version: 1\nkeys: {'yours:{id}': {owner: x}}\n"])

    def config_patch(self):
        return {"timeout": 0}

    def snapshot_begin(self):
        return None

    def command_post(self):
        command = self.rng.choice(self.commands)
        words = self.maker.request(command)
        self.command = meant(command, words)
        return words


TAKES = {name for name in vars(Bodies) if not name.startswith("_")} - {"key", "some", "operation"}
TAKES_NOTHING = {"livez", "readyz", "health", "metrics", "openapi", "key_list", "key_get", "key_delete", "key_purge", "purge", "tag_get", "tag_purge", "explain", "events_get", "stats", "info", "rules_get", "stores",
                 "store", "classes", "clients", "slowlog", "config_get", "snapshots"}  # fmt: skip


def target(route, bodies):
    rng, path, own = bodies.rng, route["path"], []
    for name, value in (("{key}", bodies.key()), ("{tag}", rng.choice(["minetag", "theirtag", "x"])), ("{store}", rng.choice(["default", "carts", "none"]))):
        if name in path and "also" in route and rng.random() < 0.4:
            path, own = route["also"], [(name.strip("{}"), value)]
        path = path.replace(name, urllib.parse.quote(value, safe=rng.choice(["", ":"])))
    if "any" in route.get("flags", []):
        path += rng.choice(["", bodies.key()])
    chosen = [name for name in [*route.get("query", {}), *["db"] * ("open" not in route.get("flags", []))] if rng.random() < (0.1 if name == "db" else 0.3)]
    query = urllib.parse.urlencode(own + [(name, rng.choice(QUERIES[name])) for name in chosen])
    return path + ("?" + query if query else "")


def fields_of(route, rng):
    given = {name: rng.choice(FIELDS[name]) for name in route.get("headers", {}) if rng.random() < 0.25}
    if route["method"] == "GET" and rng.random() < 0.3:
        given["Accept"] = "application/json"
    if route["method"] == "PURGE" and rng.random() < 0.3:
        given["X-Soft-Purge"] = "1"
    return given


def request_of(route, bodies):
    """Method, path, body and fields."""
    handler = route["handler"]
    method = "HEAD" if route["method"] == "GET" and bodies.rng.random() < 0.2 else route["method"]
    given = fields_of(route, bodies.rng)
    body = getattr(bodies, handler)() if handler in TAKES else None
    if body is not None and not isinstance(body, bytes):
        body, given = json.dumps(body).encode(), {**given, **JSON}
    return method, target(route, bodies), body, {**given, **YAML} if handler == "rules_put" else given


# ------------------------------------------------------------------------------ what is answered


class Answer:
    def __init__(self, response, body):
        self.status, self.body = response.status, body
        self.fields = sorted((name.lower(), value) for name, value in response.getheaders())
        self.type = dict(self.fields).get("content-type", "")

    def alike(self, exactly):
        """What has to be the same: less times, and versions, which two servers give each for itself."""
        given = [(name, re.sub(r"\d+", "N", value) if name in ("etag", "cache-control") else value) for name, value in self.fields if name != "date" and (name != "content-length" or "json" not in self.type)]
        if not exactly:
            return self.status, [name for name, _ in given]
        return self.status, given, re.sub(rb'("version":|"ttl_ms":|"position":|version is )-?\d+|\d{6,}', rb"\1N", self.body)


class Web:
    """A user on both servers, by his password or by a token."""

    def __init__(self, both, kind):
        self.worlds, self.kind = both, kind
        self.tokens = []
        self.connections = [http.client.HTTPConnection("127.0.0.1", world.http, timeout=60) for world in both]
        for world in both:
            token = world.enter(kind)
            made = [one[1] for one in world.done("TOKEN", "CREATE", "joe")[1]]
            self.tokens.append((token or made[made.index(b"token") + 1]).decode())

    def close(self):
        for connection in self.connections:
            connection.close()

    def ask(self, who, method, path, body=None, fields=None):
        answers = []
        for connection, token in zip(self.connections, self.tokens):
            says = {"token": "Bearer " + token, "wrong token": "Bearer " + token[:-2] + "xx", "nobody": None}.get(who, "Basic " + base64.b64encode(who.encode()).decode())
            connection.request(method, path, body, {**(fields or {}), **({"Authorization": says} if says else {})})
            response = connection.getresponse()
            endless = response.status == 200 and method == "GET" and response.headers["Content-Type"] == "text/event-stream"
            answers.append(Answer(response, b"" if endless else response.read()))
            if endless:
                connection.close()
        return answers


def is_own_way(route, bodies, body, answer):
    handler, kind = route["handler"], bodies.kind
    if handler == "command_post":
        return bodies.command.full in OWN_WAY | NUMBERED | UNORDERED | IDS or kind.everything(NEEDS_ALL.get(bodies.command.full, "?"))
    if handler == "invalidate":
        return set(json.loads(body)) - {"keys", "reason", "soft", "dryrun"}
    return handler in OWN or kind.everything("R") and (answer.status == 404 or handler in OWN_TO_ALL) or handler in ("purge", "tag_purge") and kind.everything("W")


def try_route(route, web, bodies):
    rng, kind = bodies.rng, web.kind
    method, path, body, fields = request_of(route, bodies)
    is_open = "open" in route.get("flags", [])
    who = rng.choice(["joe:pw"] * 4 + ["token"] * 4 + ["joe:wrong", "wrong token", "nobody"])
    if route["handler"] == "events_get" and method == "GET" and kind.everything("R") and who in ("joe:pw", "token"):
        method = "HEAD"  # what he would be told, he may know, and it has no end
    one, other = web.ask(who, method, path, body, fields)
    said = f"{who}: {method} {path} {body} {fields}"
    for answer in (one, other):
        assert not holds_mark(answer.body) and not holds_mark(answer.fields), f"{said} shows what is not his: {answer.fields} {answer.body}"
    exactly = not is_own_way(route, bodies, body, one)
    assert one.alike(exactly) == other.alike(exactly), f"{said} answers {one.alike(exactly)}, and in the other world {other.alike(exactly)} (rules {kind.version})"
    if not is_open and who in ("joe:wrong", "wrong token", "nobody"):
        assert one.status in (400, 401, 403, 415, 422) or method == "HEAD", f"{said} answers {one.status} {one.body}"
    if route["handler"] == "events_get" and method == "GET":
        assert one.status != 200, f"{said} tells of everything"
    return said


def whole_route(route, web, bodies, rounds):
    """Under one set of rules and the other."""
    for _ in range(2):
        web.kind.version = 1 - web.kind.version
        for world in web.worlds:
            world.plant(web.kind)
        bodies.maker.names = web.kind.names()
        tried = [try_route(route, web, bodies) for _ in range((rounds + 1) // 2)]
        changed = [one for world in web.worlds for one in world.changed(web.kind, True)]
        assert not changed, f"{changed[:3]} by one of {tried}"
        for world in web.worlds if route["handler"] in ("rules_put", "command_post", "config_patch") else []:
            world.version = None  # others may be in force


def lists(web, bodies):
    """However it is asked for, the list has all keys that may be read, and no other."""
    kind = web.kind
    for world in web.worlds:
        world.plant(kind)
    for question in ("", "prefix=mine", "prefix=y", "match=*%3A1", "match=user*"):
        found = []
        for world in range(2):
            names, cursor = set(), "0"
            while cursor is not None:
                answer = web.ask("token", "GET", f"/v1/keys?limit=7&cursor={cursor}&{question}")[world]
                if answer.status == 403:  # no right to SCAN
                    break
                page = json.loads(answer.body)
                names |= set(page["keys"])
                cursor = page["cursor"]
            found.append(names)
        wanted = {name for name in POOL if kind.allows(name, "R", "scan")}
        wanted = {name for name in wanted if {"prefix=mine": name.startswith("mine"), "prefix=y": name.startswith("y"), "match=*%3A1": name.endswith(":1"), "match=user*": name.startswith("user")}.get(question, True)}
        assert [names & set(POOL) for names in found] == [wanted] * 2 and not holds_mark(found), (question, found, wanted)


def every_kind(report, kind, web, chance, rounds):
    may_ask = [command for command in leaves() if command.full not in ALMIGHTY | {"waitaof"}]
    bodies = Bodies(chance, kind, may_ask)
    for route in routes():
        with report.case(f"who is {kind.name} stays within his rights: {route['method']} {route['path']}"):
            times = 6 if route["handler"] == "command_post" else 2 if route.get("body") or "{key}" in route["path"] else 1
            whole_route(route, web, bodies, times * rounds)
    with report.case(f"who is {kind.name} stays within his rights: all pages of keys"):
        lists(web, bodies)


def streams_end(both):
    """A stream of events ends when its user, his role or his token no longer permits it."""
    kind = Kind("who reads all by a role", ["+ping"], role=["%R~*", "+@all", "-@admin"], token=True)
    web = Web(both, kind)
    world, token = web.worlds[0], web.tokens[0]
    world.plant(kind)

    def opened(says):
        connection = http.client.HTTPConnection("127.0.0.1", world.http, timeout=30)
        connection.request("GET", "/v1/events?heartbeat_ms=100", headers={"Authorization": says})
        return connection.getresponse()

    bearer, basic = "Bearer " + token, "Basic " + base64.b64encode(b"joe:pw").decode()
    for says, request, undo in (
        (basic, ("ACL", "SETROLE", "limits", "resetkeys", "%R~mine:*"), ("ACL", "SETROLE", "limits", "%R~*")),
        (bearer, ("ACL", "SETROLE", "limits", "-stream|subscribe"), ("ACL", "SETROLE", "limits", "+stream|subscribe")),
        (basic, ("ACL", "SETUSER", "joe", "-role=limits"), ("ACL", "SETUSER", "joe", "role=limits")),
        (bearer, ("TOKEN", "REVOKE", token.split("_")[1]), ("PING",)),
    ):
        stream = opened(says)
        assert stream.status == 200, (request, stream.status)
        world.done(*request)
        world.done("SET", "yours:1", "QZ7VK behind it", "TAGS", 1, "x")
        world.done("INVALIDATE", "TAG", "x")
        rest = b""
        try:
            rest = stream.read()  # until it ends
        except http.client.IncompleteRead as cut:
            rest = cut.partial
        assert b"yours:1" not in rest and not holds_mark(rest) and b'"tag"' not in rest.split(b": here")[-1], (request, rest)
        assert settle(lambda: opened(says).status in (401, 403), 10), request
        world.done(*undo)
    web.close()


def flows(report, seed_=None, rounds=ROUNDS, kinds=None):
    chance = random.Random(seed() if seed_ is None else seed_)
    with report.case("every route of spec/http.yaml has a trial"):
        said = {route["handler"] for route in routes()}
        assert said == TAKES | TAKES_NOTHING, said ^ (TAKES | TAKES_NOTHING)
        unknown = {name for route in routes() for name in [*route.get("query", {}), *route.get("headers", {})]} - set(QUERIES) - set(FIELDS)
        assert not unknown, unknown
    with worlds() as both:
        for kind in kinds or KINDS:
            kind.version = 0
            web = Web(both, kind)
            every_kind(report, kind, web, chance, rounds)
            web.close()
        with report.case("a stream of events ends with the right to it"):
            streams_end(both)
    report.note(f"{len(routes())} routes, {rounds} requests and more of each for {len(kinds or KINDS)} kinds of users")
