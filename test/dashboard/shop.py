"""A small shop behind a server: rules with edges, two stores, a warm tier, a log, and clients that read, write, load and invalidate, so that every view of
the dashboard has something true to show."""

import random
import threading

from harness.resp import plain

RULES = """version: 1
services: [catalog, accounts, web]
stores:
  default:  { memory: 60%, eviction: s3-fifo }
  sessions: { memory: 20%, eviction: allkeys-lru, filter: cuckoo }
keys:
  "product:{id}":       { owner: catalog, ttl: { default: 30m, max: 2h, jitter: 10% }, stale: 30s, tags: ["product:{id}"], invalidates: ["page:{id}:*"] }
  "price:{id}":         { owner: catalog, ttl: 2m, invalidates: [{ soft: "card:{id}" }] }
  "stock:{id}":         { owner: catalog, ttl: 20s }
  "card:{id}":          { owner: web, ttl: 5m, stale: 1m, derives: ["product:{id}"] }
  "page:{id}:{locale}": { owner: web, ttl: 10m, stale: 1m }
  "search:{query}":     { owner: web, ttl: 90s, tags: ["catalog"] }
  "user:{id}":          { owner: accounts, ttl: 1h, tags: ["user:{id}"] }
  "profile:{id}":       { owner: web, ttl: 10m, derives: ["user:{id}"] }
  "feed:{id}:{n}":      { owner: web, ttl: 5m, derives: ["user:{id}"] }
  "session:{sid}":      { store: sessions, ttl: 30m }
events:
  product.updated: { invalidate: ["product:{data.id}"] }
  user.deleted:    { invalidate: ["user:{data.id}", { tag: "user:{data.id}" }] }
  catalog.rebuilt: { invalidate: [{ tag: "catalog" }] }
"""

HOSTILE_KEY = '<img src=x onerror="document.title=1">'
HOSTILE_VALUE = '{"note": "<script>document.title=2</script>", "count": 3}'
PRODUCTS, USERS, SESSIONS = 4000, 1500, 3000
LOCALES = ("en", "de", "fr")
BATCH = 64
WAIT_S = 0.04
BUSY_WAIT_S = 0.02  # between two batches of one client, where pictures are taken


def options():
    """What the server is started with."""
    return {
        "threads": 2, "maxmemory": "24mb", "appendonly": "yes", "slowlog_log_slower_than": 2000,
        "warm_file": "warm", "warm_size": "64mb", "latency_monitor_threshold": 1,
    }


def text(rng, size):
    words = ("cache", "blue", "summer", "shirt", "cotton", "large", "order", "basket", "Grüße", "light", "travel", "shoe")
    made = []
    while sum(map(len, made)) < size:
        made.append(rng.choice(words))
    return " ".join(made)


def replies(client, requests):
    """Errors are failures of the test."""
    answered = client.calls(requests) if requests else []
    wrong = [reply for reply in answered if reply[0] == "-"]
    if wrong:
        raise AssertionError(f"{wrong[0]!r}")
    return [plain(reply) for reply in answered]


def name(client, called):
    replies(client, [("CLIENT", "SETNAME", called)])


class Shop:
    """Clients with rates that a busy machine keeps up with; `stop` ends them. `hostile`: there is a key that looks like markup."""

    def __init__(self, server, seed, hostile=True, wait_s=WAIT_S):
        self.server, self.seed, self.hostile, self.wait_s = server, seed, hostile, wait_s
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=self.serve, args=(number,), daemon=True) for number in range(2)]
        self.threads.append(threading.Thread(target=self.change, daemon=True))
        self.failures = []

    def __enter__(self):
        with self.server.client() as client:
            replies(client, [("RULES", "LOAD", RULES)])
            replies(client, [("STREAM", "POSITION")])
            if self.hostile:
                replies(client, [("SET", HOSTILE_KEY, HOSTILE_VALUE, "EX", "86400")])
            replies(client, [("SET", "bytes", bytes(range(256)))])
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.ended.set()
        for thread in self.threads:
            thread.join(20)

    def requests(self, rng):
        """A page view: mostly reads, popular things far more often."""
        product = int(PRODUCTS * rng.random() ** 4)
        user = int(USERS * rng.random() ** 2)
        kind = rng.random()
        if kind < 0.45:
            return [f"product:{product}", f"price:{product}", f"stock:{product}", f"card:{product}"]
        if kind < 0.65:
            return [f"page:{product}:{rng.choice(LOCALES)}"]
        if kind < 0.75:
            return [f"search:{int(300 * rng.random() ** 2)}"]
        if kind < 0.9:
            return [f"user:{user}", f"profile:{user}", f"feed:{user}:{int(rng.random() * 3)}"]
        return [f"session:{int(SESSIONS * rng.random()):08x}"]

    def value(self, rng, key):
        if key.startswith(("product:", "card:")):
            return '{"id": "%s", "name": "%s", "tags": ["shirt", "cotton"]}' % (key, text(rng, 180 if key[0] == "c" else 500))
        if key.startswith("page:"):
            return "<html>" + text(rng, 2600) + "</html>"
        if key.startswith(("price:", "stock:")):
            return str(rng.randrange(1, 20000))
        return text(rng, 300)

    def serve(self, number):
        rng = random.Random(self.seed + number)
        try:
            with self.server.client() as client, self.server.client() as catalog, self.server.client() as accounts:
                writers = {"product": catalog, "price": catalog, "stock": catalog, "user": accounts}
                for one, service in ((client, "web"), (catalog, "catalog"), (accounts, "accounts")):
                    name(one, f"{service}-{number + 1}")
                    replies(one, [("CLIENT", "SERVICE", service)])
                while not self.ended.wait(self.wait_s):
                    keys = [key for _ in range(BATCH // 3) for key in self.requests(rng)]
                    missing = [key for key, value in zip(keys, replies(client, [("GET", key) for key in keys])) if value is None]
                    for writer in (catalog, accounts, client):
                        own = [key for key in dict.fromkeys(missing) if writers.get(key.split(":")[0], client) is writer]
                        replies(writer, [("SET", key, self.value(rng, key)) for key in own])
        except Exception as error:  # the test says so at its end
            self.failures.append(error)

    def change(self):
        """Owners who write, events, tags, and what somebody does by hand."""
        rng = random.Random(self.seed + 100)
        try:
            with self.server.client() as client, self.server.client() as accounts:
                name(client, "catalog-backoffice")
                name(accounts, "accounts-backoffice")
                replies(client, [("CLIENT", "SERVICE", "catalog")])
                replies(accounts, [("CLIENT", "SERVICE", "accounts")])
                turn = 0
                while not self.ended.wait(0.1):
                    turn += 1
                    product, user = int(PRODUCTS * rng.random() ** 3), int(USERS * rng.random() ** 2)
                    replies(client, [("SET", f"price:{product}", str(rng.randrange(100, 20000)))])
                    if turn % 3 == 0:
                        replies(client, [("EVENT", "EMIT", "product.updated", '{"id": "%d"}' % product)])
                    if turn % 7 == 0:
                        replies(accounts, [("SET", f"user:{user}", text(rng, 200))])
                    if turn % 20 == 0:
                        replies(client, [("TAG", "INVALIDATE", f"user:{user}", "REASON", "address changed")])
                    if turn % 30 == 0:
                        replies(client, [("INVALIDATE", "KEY", f"product:{product}", "REASON", "picture replaced")])
                    if turn % 100 == 0:
                        replies(client, [("EVENT", "EMIT", "catalog.rebuilt", "{}")])
                    if turn % 15 == 0:
                        replies(client, [("DEL", f"stock:{product}")])
                        replies(client, [("KEYS", "product:1*")])
        except Exception as error:
            self.failures.append(error)


__all__ = ["Shop", "RULES", "HOSTILE_KEY", "HOSTILE_VALUE", "options"]
