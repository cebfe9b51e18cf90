"""What clients that are not installed here send when they connect, word by word; the connection must stay usable."""

OK = ("+", b"OK")
ERROR = "an error, and the connection stays open"
ANY = "anything but an error"

SEQUENCES = {
    "redis-py 8": [
        (["HELLO", "3"], "%"),
        (["CLIENT", "MAINT_NOTIFICATIONS", "ON", "moving-endpoint-type", "external-ip"], ERROR),
        (["CLIENT", "SETNAME", "app"], OK),
        (["CLIENT", "SETINFO", "LIB-NAME", "redis-py"], OK),
        (["CLIENT", "SETINFO", "LIB-VER", "8.0.0"], OK),
        (["SELECT", "1"], OK),
    ],
    "redis-py 5 with a name and RESP2": [
        (["CLIENT", "SETNAME", "app"], OK),
        (["CLIENT", "SETINFO", "LIB-NAME", "redis-py(framework_v1.0)"], OK),
        (["CLIENT", "SETINFO", "LIB-VER", "5.0.1"], OK),
    ],
    "node-redis 6": [
        (["HELLO", "3", "SETNAME", "app"], "%"),
        (["SELECT", "1"], OK),
        (["CLIENT", "SETINFO", "LIB-VER", "6.0.0"], OK),
        (["CLIENT", "SETINFO", "LIB-NAME", "node-redis"], OK),
        (["CLIENT", "MAINT_NOTIFICATIONS", "ON"], ERROR),
        (["PING"], ("+", b"PONG")),
    ],
    "go-redis 9": [
        (["hello", "3"], "%"),
        (["client", "maint_notifications", "on", "moving-endpoint-type", "internal-ip"], ERROR),
        (["client", "setinfo", "lib-name", "go-redis(,go1.23.0)"], OK),
        (["client", "setinfo", "lib-ver", "9.7.0"], OK),
        (["command"], "*"),
    ],
    "rueidis without client cache": [
        (["HELLO", "3"], "%"),
        (["CLIENT", "SETINFO", "LIB-NAME", "rueidis"], OK),
        (["CLIENT", "SETINFO", "LIB-VER", "1.0.50"], OK),
    ],
    "rueidis with client cache": [
        (["HELLO", "3"], "%"),
        (["CLIENT", "TRACKING", "ON", "OPTIN"], OK),
        (["CLIENT", "SETINFO", "LIB-NAME", "rueidis"], OK),
        (["CLIENT", "CACHING", "YES"], OK),
        (["MULTI"], OK),
        (["PTTL", "absent"], ("+", b"QUEUED")),
        (["GET", "absent"], ("+", b"QUEUED")),
        (["EXEC"], "*"),
        (["PING"], ("+", b"PONG")),
    ],
    "lettuce": [
        (["HELLO", "3"], "%"),
        (["CLIENT", "SETNAME", "app"], OK),
        (["CLIENT", "SETINFO", "lib-name", "Lettuce"], OK),
        (["CLIENT", "SETINFO", "lib-ver", "6.4.0"], OK),
        (["SELECT", "0"], OK),
    ],
    "StackExchange.Redis": [
        (["CLIENT", "SETNAME", "HOST"], OK),
        (["CLIENT", "SETINFO", "lib-name", "SE.Redis"], OK),
        (["CLIENT", "SETINFO", "lib-ver", "2.8.16"], OK),
        (["CLIENT", "ID"], ":"),
        (["CONFIG", "GET", "timeout"], "*"),
        (["CONFIG", "GET", "replica-read-only"], "*"),
        (["CONFIG", "GET", "databases"], "*"),
        (["SENTINEL", "MASTERS"], ERROR),
        (["INFO", "replication"], "$"),
        (["INFO", "server"], "$"),
        (["CLUSTER", "NODES"], ERROR),
        (["GET", "__Booksleeve_TieBreak"], "$"),
        (["ECHO", b"\x01\x02\x00\xff"], ("$", b"\x01\x02\x00\xff")),
    ],
    "redis_exporter": [
        (["PING"], ("+", b"PONG")),
        (["CLIENT", "SETNAME", "redis_exporter"], OK),
        (["INFO", "ALL"], "$"),
        (["CONFIG", "GET", "*"], "*"),
        (["CLUSTER", "INFO"], ERROR),
        (["SLOWLOG", "LEN"], ":"),
        (["SLOWLOG", "GET", "1"], "*"),
        (["LATENCY", "LATEST"], "*"),
        (["LATENCY", "HISTOGRAM"], "*"),
        (["CLIENT", "LIST"], "$"),
        (["COMMAND", "INFO", "COMMANDLOG"], "*"),
        (["SCAN", "0", "COUNT", "100"], "*"),
    ],
    "RedisInsight": [
        (["HELLO", "3"], "%"),
        (["INFO"], "="),
        (["COMMAND"], "*"),
        (["COMMAND", "INFO"], "*"),
        (["MODULE", "LIST"], ERROR),
        (["DBSIZE"], ":"),
        (["MEMORY", "USAGE", "none", "SAMPLES", "0"], "_"),
        (["FT._LIST"], ERROR),
    ],
}

# Fields of INFO that exporters, dashboards and libraries read (beside those that only persistence or clusters have).
INFO_FIELDS = (
    "redis_version uptime_in_seconds process_id tcp_port connected_clients blocked_clients maxclients"
    " used_memory used_memory_rss used_memory_peak used_memory_startup used_memory_dataset maxmemory maxmemory_policy total_system_memory"
    " mem_fragmentation_ratio loading rdb_changes_since_last_save aof_enabled"
    " total_connections_received total_commands_processed rejected_connections total_net_input_bytes total_net_output_bytes"
    " instantaneous_ops_per_sec expired_keys evicted_keys keyspace_hits keyspace_misses total_error_replies"
    " role connected_slaves used_cpu_sys used_cpu_user cluster_enabled"
).split()


def fits(reply, wanted):
    if wanted == ERROR:
        return reply[0] == "-"
    if wanted == ANY:
        return reply[0] != "-"
    return reply[0] == wanted if isinstance(wanted, str) else reply == wanted


def flows(report, server, is_strata):
    for client, sequence in SEQUENCES.items():
        with report.case(f"connect sequence of {client}"):
            with server.client() as connection:
                for request, wanted in sequence:
                    reply = connection.call(*request)
                    if is_strata and not fits(reply, wanted):
                        raise AssertionError(f"{request} answered {reply!r:.200}, wanted {wanted}")
                if connection.call("PING") != ("+", b"PONG"):
                    raise AssertionError("the connection is not usable afterwards")
    with report.case("INFO has the fields that tools read"):
        with server.client() as connection:
            connection.call("SET", "x", "1", "EX", "100")
            text = connection.call("INFO", "everything")[1].decode()
        fields = dict(line.split(":", 1) for line in text.split("\r\n") if line and not line.startswith("#"))
        missing = [name for name in INFO_FIELDS if name not in fields]
        if missing:
            raise AssertionError(f"missing: {' '.join(missing)}")
        if not fields.get("db0", "").startswith("keys="):
            raise AssertionError(f"db0 is {fields.get('db0')!r}")
        if "cmdstat_set" not in fields or not fields["cmdstat_set"].startswith("calls="):
            raise AssertionError("no cmdstat_set with `everything`")
