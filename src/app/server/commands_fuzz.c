/* Lines of commands to a server with rules, about leases, tags, the stream, tracking and invalidation: whatever they say, the server goes on and
 * answers others. Words end at spaces; `$` is the token that was given last, and `_` an empty word. */
#include <poll.h>
#include <string.h>

#include "app/server/peer_fixture.h"
#include "base/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LINES_MAX = 12, LINE_MAX_SIZE = 400, WORDS_MAX = 40, PATIENCE_MS = 30, ANSWER_MAX = 1 << 20 };

static const char manifest[] =
    "version: 1\n"
    "keys:\n"
    "  \"a:{id}\": { ttl: 1h, stale: 10m, refresh: 50%, invalidates: [\"b:{id}\", \"c:{id}:*\"] }\n"
    "  \"b:{id}\": { ttl: { default: 1m, sliding: true }, tags: [\"t:{id}\"] }\n"
    "  \"c:{id}:{n}\": { owner: web, writes: leased, negative: 1s }\n"
    "events:\n"
    "  e.*: { invalidate: [\"a:{data.id}\"] }\n"
    "  l: { invalidate: [\"a:{data.ids[]}\"] }\n";

static struct server *server;
static struct peer judge;

/* Those that wait for long, take the server away or make everything slow are not among them. */
static bool is_allowed(struct slice line) {
    static const char *const words[] = {"CGET",    "CSET",       "CRELEASE", "CVERSION", "SET",     "GET",    "MGET",
                                        "DEL",     "GETEX",      "TAG",      "EVENT",    "STREAM",  "STATS",  "INFO",
                                        "EXPLAIN", "INVALIDATE", "MULTI",    "EXEC",     "DISCARD", "WATCH",  "HELLO",
                                        "SCAN",    "APPEND",     "EXPIRE",   "COPY",     "RESET",   "RENAME", "OBJECT"};
    static const char *const pairs[] = {"CLIENT TRACKING", "CLIENT CACHING", "CLIENT SERVICE",
                                        "RULES MATCH",     "RULES CHECK",    "RULES DIFF"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (slice_starts_with(line, slice_from_string(words[i])))
            return true;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (slice_starts_with(line, slice_from_string(pairs[i])))
            return true;
    return false;
}

static void add_word(struct buf *to, struct slice word) {
    ASSERT(buf_printf(to, "$%zu\r\n", word.size) == STATUS_OK && buf_append_slice(to, word) == STATUS_OK &&
           buf_append(to, "\r\n", 2) == STATUS_OK);
}

/* The line as a request, and a PING that tells when it was answered. */
static void add_request(struct buf *to, struct slice line, const char *token) {
    struct slice words[WORDS_MAX];
    uint32_t count = 0;
    for (size_t at = 0; at <= line.size && count < WORDS_MAX;) {
        const uint8_t *space = at < line.size ? memchr(line.data + at, ' ', line.size - at) : NULL;
        size_t end = space ? (size_t)(space - line.data) : line.size;
        words[count++] = slice_part(line, at, end - at);
        at = end + 1;
    }
    ASSERT(buf_printf(to, "*%u\r\n", count) == STATUS_OK);
    for (uint32_t i = 0; i < count; i++)
        add_word(to, slice_equal(words[i], SLICE("$"))   ? slice_from_string(token)
                     : slice_equal(words[i], SLICE("_")) ? SLICE("")
                                                         : words[i]);
    ASSERT(buf_append_slice(to, SLICE("*1\r\n$4\r\nPING\r\n")) == STATUS_OK);
}

static bool ends(const struct buf *answer, const char *with) {
    size_t size = strlen(with);
    return answer->size >= size && memcmp(answer->data + answer->size - size, with, size) == 0;
}

/* False: it waits, or was cut. */
static bool hear(int fd, struct buf *answer) {
    buf_clear(answer);
    while (!ends(answer, "+PONG\r\n") && !ends(answer, "+QUEUED\r\n") && !ends(answer, "$4\r\npong\r\n$0\r\n\r\n")) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        if (poll(&ready, 1, PATIENCE_MS) != 1 || answer->size > ANSWER_MAX)
            return false;
        ASSERT(buf_reserve(answer, 65536) == STATUS_OK);
        ssize_t got = recv(fd, answer->data + answer->size, 65536, 0);
        if (got <= 0)
            return false;
        answer->size += (size_t)got;
    }
    return true;
}

static void learn_token(const struct buf *answer, char token[17]) {
    static const char before[] = "LOAD\r\n$16\r\n";
    const uint8_t *found = answer->size ? memmem(answer->data, answer->size, before, sizeof before - 1) : NULL;
    if (found && found + sizeof before - 1 + 16 <= answer->data + answer->size)
        memcpy(token, found + sizeof before - 1, 16);
}

static void expect(const char *command, const char *wanted) {
    peer_say(&judge, command);
    const char *line = peer_line(&judge);
    ASSERT(line && strcmp(line, wanted) == 0);
}

static void begin(void) {
    struct config_machine machine = {.memory_bytes = 1ull << 30, .cores = 1};
    static struct config config;
    config_defaults(&config, &machine);
    config.values.port = 0;
    config.values.threads = 1;
    config.values.maxmemory_bytes = 16 << 20;
    config.values.loglevel = CONFIG_LOGLEVEL_WARNING;
    config.values.bind.count = 1;
    strcpy(config.values.bind.items[0], "127.0.0.1");
    ASSERT(server_start(&config, &server) == STATUS_OK);
    peer_connect(&judge, server);
    struct buf request;
    buf_init(&request, &memory_libc);
    ASSERT(buf_printf(&request, "*3\r\n$5\r\nRULES\r\n$4\r\nLOAD\r\n$%zu\r\n%s\r\n", sizeof manifest - 1, manifest) ==
               STATUS_OK &&
           buf_append(&request, "", 1) == STATUS_OK);
    expect((const char *)request.data, "+OK");
    buf_fini(&request);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice rest = slice_make(data, size);
    struct buf request, answer;
    struct peer peer;
    char token[17] = "0123456789abcdef";
    if (!server)
        begin();
    buf_init(&request, &memory_libc);
    buf_init(&answer, &memory_libc);
    peer_connect(&peer, server);
    bool goes_on = true;
    for (int lines = 0; goes_on && rest.size && lines < LINES_MAX; lines++) {
        const uint8_t *end = memchr(rest.data, '\n', rest.size);
        struct slice line = slice_part(rest, 0, end ? (size_t)(end - rest.data) : rest.size);
        rest = slice_part(rest, line.size + (end != NULL), rest.size);
        if (line.size > LINE_MAX_SIZE || !is_allowed(line))
            continue;
        buf_clear(&request);
        add_request(&request, line, token);
        goes_on =
            send(peer.fd, request.data, request.size, MSG_NOSIGNAL) == (ssize_t)request.size && hear(peer.fd, &answer);
        learn_token(&answer, token);
    }
    /* Thousands a second: none of them may keep its port for a minute. */
    const struct linger at_once = {.l_onoff = 1};
    setsockopt(peer.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(peer.fd);
    buf_fini(&request);
    buf_fini(&answer);
    expect("FLUSHALL\r\n", "+OK");
    expect("PING\r\n", "+PONG");
    return 0;
}
