"""python3-redis: its pipelines use MULTI unless told otherwise."""

import redis

from harness import settle

BINARY = bytes(i * 7 + (i >> 8) & 255 for i in range(60000))
LARGE = b"strata " * 500_000


def check(condition, what="not as expected"):
    if not condition:
        raise AssertionError(what)


def same(one, other):
    if one != other:
        raise AssertionError(f"{one!r:.200} instead of {other!r:.200}")


def raises(kind, text, call):
    try:
        result = call()
    except kind as error:
        check(text in str(error), f"{error} instead of {text}")
    else:
        raise AssertionError(f"no {kind.__name__} but {result!r}")


def flows(report, server, locked):
    client = redis.Redis(port=server.port, db=5, client_name="py", socket_timeout=20)
    with report.case("python3-redis strings"):
        same(client.flushall(), True)
        same(client.set("a", "x"), True)
        same(client.get("a"), b"x")
        same(client.get("none"), None)
        same(client.set("a", "y", nx=True), None)
        same(client.set("a", "y", ex=100, get=True), b"x")
        same(client.incr("n", 5), 5)
        same(client.incrbyfloat("f", 1.5), 1.5)
        same(client.mget("a", "none", "n"), [b"y", None, b"5"])
        same(client.mset({"m1": 1, "m2": 2}), True)
        same(client.msetnx({"m2": 1, "m9": 2}), False)
        same(client.getdel("m1"), b"1")
        same(client.getex("m2", px=100000), b"2")
        same(client.append("a", "z"), 2)
        same(client.setrange("a", 4, "!"), 5)
        same(client.getrange("a", 0, -1), b"yz\0\0!")
        same(client.setbit("bits", 7, 1), 0)
        same(client.bitcount("bits"), 1)
        same(client.bitpos("bits", 1), 7)
        same(client.bitfield("bits").set("u8", 0, 255).get("i8", 0).execute(), [1, -1])
        same(client.type("a"), b"string")
        raises(redis.ResponseError, "value is not an integer or out of range", lambda: client.incr("a"))
        raises(redis.ResponseError, "unknown command", lambda: client.execute_command("NOSUCH"))
    with report.case("python3-redis binary and large values"):
        same(client.set(BINARY[:300], BINARY), True)
        same(client.get(BINARY[:300]), BINARY)
        same(client.set("large", LARGE), True)
        check(client.get("large") == LARGE, "the large value changed")
    with report.case("python3-redis pipeline with MULTI"):
        with client.pipeline() as pipe:
            for number in range(1000):
                pipe.set(f"p{number}", number).get(f"p{number}")
            results = pipe.execute()
        same(results[1::2], [b"%d" % number for number in range(1000)])
        with client.pipeline() as pipe:
            pipe.set("t", 1).incr("t").incr("a").get("t")
            results = pipe.execute(raise_on_error=False)
        same(results[:2] + results[3:], [True, 2, b"2"])
        check(isinstance(results[2], redis.ResponseError))
    with report.case("python3-redis pipeline without MULTI"):
        with client.pipeline(transaction=False) as pipe:
            for number in range(500):
                pipe.get(f"p{number}")
            same(pipe.execute(), [b"%d" % number for number in range(500)])
    with report.case("python3-redis WATCH"):
        with client.pipeline() as pipe:
            pipe.watch("t")
            client.set("t", "changed")
            pipe.multi()
            pipe.set("t", "mine")
            raises(redis.WatchError, "", pipe.execute)
        same(client.get("t"), b"changed")
        client.set("counter", 0)
        for _ in range(20):
            client.transaction(lambda pipe: (value := int(pipe.get("counter")), pipe.multi(), pipe.set("counter", value + 1)), "counter")
        same(client.get("counter"), b"20")
    with report.case("python3-redis expiry"):
        client.set("e", 1, px=50)
        check(settle(lambda: client.get("e") is None, 5))
        same(client.ttl("e"), -2)
        client.set("e", 1)
        same(client.expire("e", 100, nx=True), True)
        same(client.expire("e", 50, gt=True), False)
        check(90 <= client.ttl("e") <= 100)
        same(client.persist("e"), True)
    with report.case("python3-redis scan_iter and keys"):
        same(len(set(client.scan_iter(match="p*", count=50))), 1000)
        same(len(client.keys("p99?")), 10)
        check(client.randomkey() is not None)
    with report.case("python3-redis dump and restore"):
        client.restore("copy", 0, client.dump("large"), replace=True)
        check(client.get("copy") == LARGE, "the copy differs")
    with report.case("python3-redis server commands"):
        check(client.info()["redis_version"].startswith("7."))
        check(client.info("memory")["used_memory"] > len(LARGE))
        same(client.info("keyspace")["db5"]["keys"], client.dbsize())
        check(any(one["name"] == "py" for one in client.client_list()))
        same(client.client_getname(), "py")
        same(client.config_get("databases"), {"databases": "16"})
        check(client.config_set("timeout", 0))
        check(client.memory_usage("large") > len(LARGE))
        check(client.slowlog_len() >= 0)
        check(abs(client.time()[0] - __import__("time").time()) < 5)
        check(client.object("encoding", "n") in (b"int", "int"))
        check("get" in client.command())
        same(client.move("m2", 6), True)
        same(client.echo("hello"), b"hello")
    with report.case("python3-redis reconnects after CLIENT KILL"):
        single = redis.Redis(port=server.port, db=5, single_connection_client=True)
        number = single.client_id()
        same(client.client_kill_filter(_id=number), 1)
        check(settle(lambda: answers(single), 5))
        check(single.client_id() != number)
    with report.case("python3-redis with a password"):
        same(redis.Redis(port=locked.port, password="secret").ping(), True)
        same(redis.Redis(port=locked.port, username="default", password="secret").ping(), True)
        raises(redis.ResponseError, "WRONGPASS", lambda: redis.Redis(port=locked.port, password="wrong").ping())
        raises(redis.AuthenticationError, "Authentication required", lambda: redis.Redis(port=locked.port).ping())
    with report.case("python3-redis as a user with some rights"):
        master = redis.Redis(port=locked.port, password="secret", decode_responses=True)
        same(master.acl_setuser("shop", enabled=True, passwords=["+pw"], keys=["shop:*"], categories=["+@read", "+@write", "-@dangerous"], commands=["+acl|whoami"]), True)
        shop = redis.Redis(port=locked.port, username="shop", password="pw", decode_responses=True)
        same(shop.set("shop:1", "cake"), True)
        same(shop.get("shop:1"), "cake")
        same(shop.acl_whoami(), "shop")
        raises(redis.exceptions.NoPermissionError, "no permissions to access one of the keys", lambda: shop.get("bank:1"))
        raises(redis.exceptions.NoPermissionError, "no permissions to run the 'flushall' command", shop.flushall)
        same(master.acl_users(), ["default", "shop"])
        same([(entry["reason"], entry["object"], entry["username"]) for entry in master.acl_log(2)], [("command", "flushall", "shop"), ("key", "bank:1", "shop")])
        same(len(master.acl_genpass()), 64)
        same(master.acl_deluser("shop"), 1)
        raises(redis.ResponseError, "WRONGPASS", lambda: redis.Redis(port=locked.port, username="shop", password="pw").ping())
    with report.case("python3-redis over a Unix socket"):
        same(redis.Redis(unix_socket_path=server.unix_path, db=5).get("t"), b"changed")
    with report.case("python3-redis publish and subscribe"):
        with client.pubsub() as pubsub:
            seen = []
            pubsub.psubscribe(**{"py.*": seen.append})
            pubsub.subscribe("py.news", "py.other")
            check(settle(lambda: client.publish("py.news", BINARY) == 2, 5))
            check(settle(lambda: not pubsub.get_message(timeout=0.01) and seen, 5), seen)
            same((seen[-1]["type"], seen[-1]["pattern"], seen[-1]["channel"], seen[-1]["data"]), ("pmessage", b"py.*", b"py.news", BINARY))
            same(client.pubsub_numsub("py.news", "py.none"), [(b"py.news", 1), (b"py.none", 0)])
            same(sorted(client.pubsub_channels("py.*")), [b"py.news", b"py.other"])
            same(client.pubsub_numpat(), 1)
            pubsub.ping("health")
            check(settle(lambda: (pubsub.get_message(timeout=0.01) or {}).get("data") == b"health", 5))
            pubsub.unsubscribe()
            pubsub.punsubscribe()
            check(settle(lambda: not pubsub.subscribed or pubsub.get_message(timeout=0.01) and False, 5))
            same(client.publish("py.news", "x"), 0)
    with report.case("python3-redis MONITOR"):
        with client.monitor() as monitor:
            client.set("seen", "1")
            check(settle(lambda: monitor.next_command()["command"] == "SET seen 1", 5))
    client.close()


def answers(client):
    try:
        return client.ping()
    except redis.ConnectionError:
        return False
