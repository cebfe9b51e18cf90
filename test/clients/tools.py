"""redis-cli and redis-benchmark as a user runs them."""

import re
import subprocess

TIME_LIMIT_S = 20


def ran(*command, data=None):
    """(status, output, errors) of a command."""
    done = subprocess.run([str(part) for part in command], input=data, capture_output=True, timeout=TIME_LIMIT_S)
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


def wanted(result, pattern, status=0):
    code, out, errors = result
    if code != status or not re.search(pattern, out, re.S):
        raise AssertionError(f"status {code}, wanted {pattern!r} in: {out[-600:]} {errors[-300:]}")


def flows(report, server, locked):
    def cli(*arguments, data=None, port=server.port):
        return ran("redis-cli", "-p", port, *arguments, data=data)

    with report.case("redis-cli set, get, errors"):
        wanted(cli("FLUSHALL"), "^OK\n$")
        wanted(cli("set", "a", "1"), "^OK\n$")
        wanted(cli("get", "a"), "^1\n$")
        wanted(cli("get", "none"), "^\n$")
        wanted(cli("nosuch", "x"), "ERR unknown command 'nosuch'")
        wanted(cli("-e", "incr"), "", status=1)
        wanted(cli("-n", "5", "set", "b", "2"), "^OK\n$")
        wanted(cli("-n", "5", "dbsize"), "^1\n$")
    with report.case("redis-cli -3"):
        wanted(cli("-3", "hello"), "proto 3|proto\n3")
        wanted(cli("-3", "--no-raw", "config", "get", "databases"), '1# "databases" => "16"')
        wanted(cli("-3", "--no-raw", "get", "none"), r"\(nil\)")
    with report.case("redis-cli commands on its input"):
        wanted(cli(data=b"SET x 'a b'\nGET x\nMULTI\nINCR a\nEXEC\n"), "^OK\na b\nOK\nQUEUED\n2\n")
        wanted(cli("-x", "set", "bin", data=bytes(range(256))), "^OK\n")
        wanted(cli("strlen", "bin"), "^256\n$")
        wanted(cli("-r", "5", "incr", "r"), "^1\n2\n3\n4\n5\n$")
    with report.case("redis-cli --pipe"):
        data = b"".join(b"*3\r\n$3\r\nSET\r\n$7\r\np%06d\r\n$6\r\n%06d\r\n" % (number, number) for number in range(20_000))
        wanted(cli("--pipe", data=data), "errors: 0, replies: 20000")
        wanted(cli("get", "p012345"), "^012345\n$")
        wanted(cli("--pipe", data=b"SET q 1\r\nNOSUCH\r\n"), "errors: 1, replies: 2", status=1)
    with report.case("redis-cli --scan"):
        code, out, _ = cli("--scan", "--pattern", "p0123*")
        if code or sorted(out.split()) != [f"p0123{number:02}" for number in range(100)]:
            raise AssertionError(f"{len(out.split())} keys, status {code}")
    with report.case("redis-cli --bigkeys and --memkeys"):
        ran("redis-cli", "-p", server.port, "setrange", "biggest", "500000", "x")
        wanted(cli("--bigkeys", "-i", "0"), r"Biggest string found.*biggest.*500001 bytes")
        wanted(cli("--memkeys", "-i", "0"), r"Biggest string found.*biggest")
    with report.case("redis-cli --stat and --latency"):
        wanted(ran("timeout", "2.5", "stdbuf", "-oL", "redis-cli", "-p", server.port, "-i", "1", "--stat"), r"keys +mem +clients.*\n2000", status=124)
        wanted(cli("--latency", "-i", "1", "--raw"), r"^\d+ \d+ \d")
    with report.case("redis-cli --rdb and --cluster are refused without harm"):
        cli("--rdb", "/dev/null")
        cli("--cluster", "check", f"127.0.0.1:{server.port}")
        wanted(cli("ping"), "^PONG\n$")
    with report.case("redis-cli with a password"):
        wanted(cli("get", "a", port=locked.port), "NOAUTH")
        wanted(cli("-a", "secret", "--no-auth-warning", "get", "a", port=locked.port), "^\n$")
        wanted(cli("--user", "default", "--pass", "secret", "--no-auth-warning", "ping", port=locked.port), "^PONG\n$")
    with report.case("redis-cli over a Unix socket"):
        wanted(ran("redis-cli", "-s", server.unix_path, "get", "x"), "^a b\n$")
    for name, more in {"pipelined": ["-P", 16], "one by one": ["-n", 5000], "RESP3": ["-3", "-P", 4], "1 KB over many keys": ["-d", 1024, "-r", 100_000]}.items():
        with report.case(f"redis-benchmark, {name}"):
            if not server.alive():  # redis-benchmark would try for ever
                raise AssertionError("the server has ended")
            count = [] if "-n" in more else ["-n", 30_000]
            code, out, errors = ran("redis-benchmark", "-p", server.port, "-t", "ping,set,get,incr,mset", "-q", *count, *more)
            lines = re.findall(r"^(?:.*\r)?([A-Z_]+(?: \([^)]*\))?): ([\d.]+) requests per second", out, re.M)
            names = {line[0].split()[0] for line in lines}
            if code or errors.strip() or not {"SET", "GET", "INCR", "MSET"} <= names or not any(n.startswith("PING") for n in names):
                raise AssertionError(f"status {code}, {lines}, {errors[-300:]} {out[-300:]}")
            if min(float(line[1]) for line in lines) < 100:
                raise AssertionError(f"impossibly slow: {lines}")
