"""What stands in the tier survives a restart: ten times more data than memory, a log, snapshots, and the ways in which a server ends."""

import hashlib
import re

from harness import Strata, settle

KEYS = 40_000
GROUPS = 20
OPTIONS = {"maxmemory": "8mb", "threads": 2, "warm_file": "warm", "warm_size": "192mb", "warm_demote_idle": 0, "appendonly": "yes", "auto_aof_rewrite_percentage": 0}
LOST_MAX = 1 / 200  # a write drops others' cells by chance, the more so as cells are few and lose bits (decision 0061)


def value_of(key, version):
    return (b"%d.%d " % (key, version)) + hashlib.blake2b(b"%d.%d" % (key, version)).digest() * 30


def figures(client, section):
    return dict(line.split(":", 1) for line in client.call("INFO", section)[1].decode().splitlines() if ":" in line)


class Data:
    """What the server was told, and what of it was found last."""

    def __init__(self, facts):
        self.facts = facts
        self.versions = {key: 1 for key in range(KEYS)}
        self.found = set()

    def tag(self, key):
        return f"group{key % GROUPS}"

    def write(self, client, keys):
        keys = list(keys)
        for at in range(0, len(keys), 400):
            part = keys[at : at + 400]
            replies = client.calls([("SET", f"k{key}", value_of(key, self.versions[key]), "TAGS", 1, self.tag(key)) for key in part])
            assert {reply[0] for reply in replies} == {"+"}, replies[0]
            left = [f"k{key}" for key in part]

            def down():
                nonlocal left
                left = [name for name, reply in zip(left, client.calls([("TIER", "DEMOTE", name) for name in left])) if reply[1] != 1]
                return not left

            settle(down, 30)

    def look(self, client):
        """Every value is the one that was written last, and nothing is there that is gone. Answers which keys are there."""
        found = set()
        for at in range(0, KEYS, 400):
            keys = range(at, at + 400)
            for key, reply in zip(keys, client.calls([("GET", f"k{key}") for key in keys])):
                if reply[1] is None:
                    continue
                found.add(key)
                wanted = self.versions.get(key)
                assert wanted and reply[1] == value_of(key, wanted), (key, wanted, reply[1][:40])
        return found

    def compare(self, client, what):
        found = self.look(client)
        missing = {key for key in self.found if key in self.versions} - found
        assert len(missing) <= LOST_MAX * len(self.found), (what, len(missing), sorted(missing)[:5], self.facts(client))
        self.found = found
        return len(missing)

    def drop(self, keys):
        for key in list(keys):
            self.versions.pop(key, None)


def snapshot(client):
    saves = figures(client, "persistence")["rdb_saves"]
    client.call("BGREWRITEAOF")
    assert settle(lambda: figures(client, "persistence")["rdb_saves"] != saves, 60)


def change(client, data):
    """Behind the snapshot: some are written anew, changed in place, deleted, and one group is invalidated."""
    again = [key for key in data.versions if key % 97 == 0]
    for key in again:
        data.versions[key] += 1
    data.write(client, again)
    gone = [key for key in data.versions if key % 101 == 1]
    client.call("DEL", *[f"k{key}" for key in gone])
    data.drop(gone)
    client.call("INVALIDATE", "TAG", "group3")
    data.drop([key for key in data.versions if key % GROUPS == 3])
    expires = next(f"k{key}" for key in sorted(data.versions) if key in data.found)
    assert client.call("EXPIRE", expires, 100000)[1] == 1
    return expires


def ends(report, facts):
    data = Data(facts)
    with Strata(**OPTIONS) as server:
        with report.case("ten times more than memory holds stands in the tier, and a snapshot lists it"), server.client(timeout=120) as client:
            data.write(client, range(KEYS))
            data.found = data.look(client)
            assert len(data.found) > 0.98 * KEYS, len(data.found)
            snapshot(client)
            expires = change(client, data)
        with report.case("after a kill all of it is there as it was answered last, and what was deleted or invalidated is not"):
            server.process.kill()
            server.process.wait()
            server.start()
            with server.client(timeout=120) as client:
                told = facts(client)
                lost = data.compare(client, "kill")
                report.note(f"{told['tier_taken_over']} taken over, {told['tier_lost_at_start']} lost at the start, {lost} keys missing")
                assert told["tier_taken_over"] > 0.9 * len(data.found), told
                assert client.call("TTL", expires)[1] > 99000
        with report.case("an invalidated tag reaches what was taken over, and so do a pattern and a flush"), server.client(timeout=120) as client:
            count = client.call("INVALIDATE", "TAG", "group5")[1]
            data.drop([key for key in data.versions if key % GROUPS == 5])
            assert count > 0.9 * KEYS / GROUPS, count
            client.call("INVALIDATE", "PATTERN", "k1[0-4]*")
            data.drop([key for key in data.versions if re.match("1[0-4]", str(key))])
            data.compare(client, "invalidated")
        with report.case("so after an orderly stop, and once more"):
            for _ in range(2):
                server.stop()
                server.start()
                with server.client(timeout=120) as client:
                    data.compare(client, "stop")
                    client.call("SELECT", 1)
                    client.calls([("SET", f"other{i}", "x") for i in range(100)])
                    client.calls([("TIER", "DEMOTE", f"other{i}") for i in range(100)])
                    snapshot(client)
                    client.call("FLUSHDB")
        with report.case("what was flushed stays so"), server.client() as client:
            server.process.kill()
            server.process.wait()
            server.start()
            with server.client(timeout=120) as client:
                client.call("SELECT", 1)
                assert {reply[1] for reply in client.calls([("GET", f"other{i}") for i in range(100)])} == {None}
        damaged(report, facts, server, data)


def damaged(report, facts, server, data):
    """Nothing of the file is a reason not to start, or to show something wrong."""
    path = f"{server.folder}/warm"
    with report.case("a segment that is damaged is a miss, and a smaller file keeps what lies within it"):
        server.process.kill()
        server.process.wait()
        with open(path, "r+b") as file:
            for at in (4096, 4096 + (3 << 20), 4096 + (7 << 20)):
                file.seek(at)
                file.write(b"\0" * 4096)
        server.options["warm_size"] = "64mb"
        server.start()
        with server.client(timeout=120) as client:
            told = facts(client)
            found = data.look(client)
            assert told["tier_lost_at_start"] > 0 and told["tier_taken_over"] > 0 and found, told
            data.found = found
    with report.case("without its file all of it is a miss, which the log says"):
        server.process.kill()
        server.process.wait()
        with open(path, "r+b") as file:
            file.write(b"STRATAWM" + b"\1" * 100)
        server.start()
        with server.client(timeout=120) as client:
            told = facts(client)
            data.look(client)
            assert told["tier_taken_over"] == 0 and told["tier_lost_at_start"] > 0, told
            assert f"{told['tier_lost_at_start']} that were there are lost" in server.log(), server.log()[-2000:]
