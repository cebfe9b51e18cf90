#include "app/server/tracking.h"

#include <pthread.h>

#include "app/server/peer_fixture.h"
#include "app/server/server_start_fixture.h"
#include "app/server/worker.h"
#include "base/bits.h"
#include "base/rng.h"
#include "unit.h"

/* Readers keep copies of what they read, by the rules of client-side caching; writers change it. What a reader keeps after everything that
 * was sent before has come must not be older than what was acknowledged before that. One of the writers empties everything now and then; some readers
 * are told through a second connection. */

enum {
    KEYS = 12,
    READERS = 7,
    WRITERS = 2,
    ROUNDS = 1500,
    WORKERS = 4,
    TABLE_SMALL = 5,
    FLUSH_ONE_IN = 50,
    REDIRECTS_FROM = 5
};

/* A key goes from 0 (it is not there) to 1, 2, ...: even, it is not there; odd, its value is this number. */
struct world {
    struct server *server;
    _Atomic uint64_t begun[KEYS], done[KEYS];
    _Atomic uint64_t flushes_begun, flushes_done;
    atomic_bool over;
    _Atomic uint64_t stale, copies_used, told;
};

struct reader {
    struct world *world;
    uint32_t number;
    struct peer peer, second; /* what is told comes on the second, if it has one */
    bool redirects;
    struct rng rng;
    bool has[KEYS];
    uint64_t copy[KEYS];    /* the newest that it can be of */
    uint64_t flushes[KEYS]; /* of a value: those that had begun when it was there; of none: UINT64_MAX */
};

/* ------------------------------------------------------------------ reading */

static void drop(struct reader *reader, const char *name) {
    atomic_fetch_add(&reader->world->told, 1);
    unsigned key;
    if (sscanf(name, "key%u", &key) == 1 && key < KEYS)
        reader->has[key] = false;
}

static void take_push(struct reader *reader, struct peer *peer) {
    const char *word = peer_line(peer);
    ASSERT(word && strcmp(word, "$10") == 0);
    word = peer_line(peer);
    ASSERT(word && strcmp(word, "invalidate") == 0);
    const char *head = peer_line(peer);
    ASSERT(head);
    if (head[0] == '_') {
        memset(reader->has, 0, sizeof reader->has);
        return;
    }
    for (int count = atoi(head + 1); count > 0; count--) {
        const char *size = peer_line(peer);
        ASSERT(size && size[0] == '$');
        drop(reader, peer_line(peer));
    }
}

/* The head of the next answer. */
static char *answer_of(struct reader *reader, struct peer *peer) {
    for (;;) {
        char *line = peer_line(peer);
        ASSERT(line);
        if (line[0] != '>')
            return line;
        take_push(reader, peer);
    }
}

static char *answer(struct reader *reader) { return answer_of(reader, &reader->peer); }

/* A value or none, of a key of which this had begun when it was asked for. */
static void take_value(struct reader *reader, uint32_t key, char *head) {
    uint64_t begun = atomic_load(&reader->world->begun[key]);
    reader->flushes[key] = UINT64_MAX;
    if (head[0] == '_') {
        reader->copy[key] = begun; /* it may have been emptied */
    } else {
        reader->flushes[key] = atomic_load(&reader->world->flushes_begun);
        ASSERT(head[0] == '$');
        reader->copy[key] = strtoull(peer_line(&reader->peer), NULL, 10);
        ASSERT(reader->copy[key] & 1);
    }
    reader->has[key] = true;
}

static void read_key(struct reader *reader, uint32_t key) {
    char request[128];
    switch (reader->number) {
        case 2:
            snprintf(request, sizeof request, "CLIENT CACHING yes\r\nGET key%u\r\n", key);
            break;
        case 3:
            snprintf(request, sizeof request, "MULTI\r\nGET key%u\r\nEXEC\r\n", key);
            break;
        case 4:
            snprintf(request, sizeof request, "MGET key%u key%u\r\n", key, (key + 1) % KEYS);
            break;
        default:
            snprintf(request, sizeof request, "GET key%u\r\n", key);
    }
    peer_say(&reader->peer, request);
    char *head = answer(reader);
    while (head[0] == '+') /* OK, QUEUED */
        head = answer(reader);
    bool two = strcmp(head, "*2") == 0;
    take_value(reader, key, head[0] == '*' ? answer(reader) : head);
    if (two)
        take_value(reader, (key + 1) % KEYS, answer(reader));
}

static void check_copies(struct reader *reader) {
    uint64_t done[KEYS], flushes_done = atomic_load(&reader->world->flushes_done);
    for (uint32_t i = 0; i < KEYS; i++)
        done[i] = atomic_load(&reader->world->done[i]);
    struct peer *teller = reader->redirects ? &reader->second : &reader->peer;
    peer_say(teller, "PING\r\n");
    ASSERT(strcmp(answer_of(reader, teller), "+PONG") == 0);
    for (uint32_t i = 0; i < KEYS; i++) {
        if (!reader->has[i])
            continue;
        atomic_fetch_add(&reader->world->copies_used, 1);
        if (reader->copy[i] < done[i] || reader->flushes[i] < flushes_done)
            atomic_fetch_add(&reader->world->stale, 1);
    }
}

/* Answers the client's id. */
static unsigned long long connect_resp3(struct reader *reader, struct peer *peer) {
    const char *line;
    peer_connect(peer, reader->world->server);
    peer_say(peer, "HELLO 3\r\nCLIENT ID\r\n");
    while ((line = answer_of(reader, peer))[0] != ':') /* words of HELLO */
        while (peer_line(peer)[0] != '*')              /* the last of them is the empty list of modules */
            ;
    return strtoull(line + 1, NULL, 10);
}

static void *read_some(void *context) {
    struct reader *reader = context;
    static const char *const modes[READERS] = {"", " BCAST PREFIX key", " OPTIN", " NOLOOP", "", "", " BCAST"};
    char request[96];
    connect_resp3(reader, &reader->peer);
    int size = snprintf(request, sizeof request, "CLIENT TRACKING on%s", modes[reader->number]);
    reader->redirects = reader->number >= REDIRECTS_FROM;
    if (reader->redirects)
        size += snprintf(request + size, sizeof request - (size_t)size, " REDIRECT %llu",
                         connect_resp3(reader, &reader->second));
    snprintf(request + size, sizeof request - (size_t)size, "\r\n");
    peer_say(&reader->peer, request);
    ASSERT(strcmp(answer(reader), "+OK") == 0);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        uint32_t key = (uint32_t)rng_below(&reader->rng, KEYS);
        if (!reader->has[key])
            read_key(reader, key);
        check_copies(reader);
    }
    if (reader->redirects)
        close(reader->second.fd);
    close(reader->peer.fd);
    return NULL;
}

/* ------------------------------------------------------------------ writing */

struct writer {
    struct world *world;
    uint32_t number;
};

static void empty_everything(struct world *world, struct peer *peer) {
    atomic_fetch_add(&world->flushes_begun, 1);
    peer_say(peer, "FLUSHALL\r\n");
    const char *line = peer_line(peer);
    ASSERT(line && strcmp(line, "+OK") == 0);
    atomic_fetch_add(&world->flushes_done, 1);
}

/* Whether the answer says that something was changed: what was emptied is not there to be taken away. */
static bool has_changed(struct peer *peer) {
    const char *line = peer_line(peer);
    ASSERT(line && (line[0] != '-' || strcmp(line, "-ERR no such key") == 0));
    if (line[0] == '$' && line[1] != '-')
        ASSERT(peer_line(peer));
    return line[0] != '-' && strcmp(line, ":0") != 0 && strcmp(line, "$-1") != 0;
}

static void *write_some(void *context) {
    const struct writer *writer = context;
    struct world *world = writer->world;
    struct rng rng = rng_seeded(unit_seed() * 1000 + 500 + writer->number);
    static const char *const removals[] = {"DEL key%u\r\n", "TAG INVALIDATE tag%u\r\n", "EXPIRE key%u -1\r\n",
                                           "RENAME key%u other\r\n", "GETDEL key%u\r\n"};
    struct peer *peer = malloc(sizeof *peer);
    ASSERT(peer);
    peer_connect(peer, world->server);
    while (!atomic_load(&world->over)) {
        uint32_t key = (uint32_t)rng_below(&rng, KEYS / WRITERS) * WRITERS + writer->number;
        uint64_t next = atomic_load(&world->begun[key]) + 1;
        char request[128];
        if (next & 1)
            snprintf(request, sizeof request, "SET key%u %llu TAGS 2 tag%u all\r\n", key, (unsigned long long)next,
                     key);
        else
            snprintf(request, sizeof request, removals[rng_below(&rng, COUNT_OF(removals))], key);
        atomic_store(&world->begun[key], next);
        peer_say(peer, request);
        if (has_changed(peer))
            atomic_store(&world->done[key], next);
        if (writer->number == 0 && rng_below(&rng, FLUSH_ONE_IN) == 0)
            empty_everything(world, peer);
    }
    close(peer->fd);
    free(peer);
    return NULL;
}

static void play(struct world *world) {
    static struct reader readers[READERS];
    struct writer writers[WRITERS];
    pthread_t reading[READERS], writing[WRITERS];
    memset(readers, 0, sizeof readers);
    for (uint32_t i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){world, i};
        assert_int_equal(pthread_create(&writing[i], NULL, write_some, &writers[i]), 0);
    }
    for (uint32_t i = 0; i < READERS; i++) {
        readers[i].world = world;
        readers[i].number = i;
        readers[i].rng = rng_seeded(unit_seed() * 1000 + i);
        assert_int_equal(pthread_create(&reading[i], NULL, read_some, &readers[i]), 0);
    }
    for (uint32_t i = 0; i < READERS; i++)
        pthread_join(reading[i], NULL);
    atomic_store(&world->over, true);
    for (uint32_t i = 0; i < WRITERS; i++)
        pthread_join(writing[i], NULL);
    printf("seed %llu, %llu copies used, %llu keys told, %llu stale\n", (unsigned long long)unit_seed(),
           (unsigned long long)world->copies_used, (unsigned long long)world->told, (unsigned long long)world->stale);
}

static struct server *server_with_table(uint64_t keys_max) {
    struct config config;
    testing_server_config(&config, WORKERS);
    config.values.tracking_table_max_keys = (int64_t)keys_max;
    return testing_server_start(&config);
}

static void no_copy_is_older_than_what_is_acknowledged(void **state) {
    static const uint64_t tables[] = {0, TABLE_SMALL};
    for (size_t i = 0; i < COUNT_OF(tables); i++) {
        struct world world = {.server = server_with_table(tables[i])};
        play(&world);
        assert_int_equal(world.stale, 0);
        assert_true(world.told > READERS * 10 && world.copies_used > READERS * ROUNDS);
        struct cmd_server_counts counts;
        /* The last client's table goes with it, as soon as its end is seen. */
        do
            world.server->api.api->counts(&world.server->api, &counts);
        while (counts.tracking_clients);
        assert_true(counts.tracked_keys == 0 && counts.tracked_items == 0 && counts.tracked_prefixes == 0);
        server_stop(world.server);
        server_free(world.server);
    }
}

/* ------------------------------------------------------------ planted faults */

/* Notes a key only when the client's next command comes: after it was read. */
static void note_too_late(struct cmd_call *call) {
    static _Thread_local struct {
        struct cmd_client *client;
        uint64_t id;
        const struct cmd_spec *spec;
        char name[16];
        uint32_t size;
    } last[64];
    uint32_t at = call->client->id % COUNT_OF(last);
    if (last[at].spec && last[at].id == call->client->id) {
        struct slice argv[2] = {SLICE("GET"), slice_make(last[at].name, last[at].size)};
        struct cmd_call late = *call;
        late.spec = cmd_lookup(argv[0]);
        late.argv = argv;
        late.argc = 2;
        late.first_key = NULL;
        tracking_note(&late);
    }
    last[at].id = call->client->id;
    last[at].spec = call->spec;
    last[at].size = (uint32_t)call->argv[1].size;
    memcpy(last[at].name, call->argv[1].data, call->argv[1].size);
}

static void keys_noted_too_late_are_found_out(void **state) {
    struct world world = {.server = server_with_table(0)};
    world.server->env.note_keys = note_too_late;
    play(&world);
    assert_true(world.stale > 0);
    server_stop(world.server);
    server_free(world.server);
}

/* ------------------------------------------------------------- a worker behind */

static void peer_send(const struct peer *peer, const void *bytes, size_t size) {
    for (size_t sent = 0; sent < size;) {
        ssize_t some = send(peer->fd, (const char *)bytes + sent, size - sent, MSG_NOSIGNAL);
        ASSERT(some > 0);
        sent += (size_t)some;
    }
}

static uint64_t id_of(struct peer *peer) {
    peer_say(peer, "CLIENT ID\r\n");
    const char *line = peer_line(peer);
    ASSERT(line && line[0] == ':');
    return strtoull(line + 1, NULL, 10);
}

static struct worker *worker_with(const struct server *server, uint64_t id) {
    for (uint32_t i = 0; i < server->worker_count; i++) {
        struct worker *worker = server->workers[i];
        bool found = false;
        worker_visit(worker);
        for (const struct connection *one = worker->first; one; one = one->older)
            found |= one->client.id == id;
        worker_leave(worker);
        if (found)
            return worker;
    }
    return NULL;
}

/* Changes of keys with long names, more than a mailbox holds. */
static void change_too_many(struct peer *writer) {
    enum { NAME_SIZE = 60000 };
    static char request[NAME_SIZE + 128];
    uint32_t changes = MAILBOX_BYTES_MAX / NAME_SIZE + 100;
    for (uint32_t i = 0; i < changes; i++) {
        int head = snprintf(request, sizeof request, "*3\r\n$3\r\nSET\r\n$%d\r\n", NAME_SIZE);
        memset(request + head, 'k', NAME_SIZE);
        memcpy(request + head, &i, sizeof i);
        int tail = snprintf(request + head + NAME_SIZE, 64, "\r\n$1\r\nv\r\n");
        peer_send(writer, request, (size_t)(head + NAME_SIZE + tail));
        const char *line = peer_line(writer);
        ASSERT(line && strcmp(line, "+OK") == 0);
    }
}

/* A connection of this worker, or of another one. */
static void connect_beside(struct peer *peer, const struct server *server, const struct worker *worker, bool same) {
    peer_connect(peer, server);
    while ((worker_with(server, id_of(peer)) == worker) != same) {
        close(peer->fd);
        peer_connect(peer, server);
    }
}

static void begin_tracking(struct peer *peer, const char *mode) {
    char request[128];
    snprintf(request, sizeof request, "HELLO 3\r\nCLIENT TRACKING on%s\r\nGET quiet\r\n", mode);
    peer_say(peer, request);
    while (strcmp(peer_line(peer), "_") != 0)
        ;
}

static void expect_lines(struct peer *peer, const char *const *lines) {
    for (; *lines; lines++)
        assert_string_equal(peer_line(peer), *lines);
}

/* All whom its worker tells, also those whose keys have not changed: nobody knows what was lost. Others are told nothing. */
static void a_full_mailbox_drops_everything(void **state) {
    static const char *const everything[] = {">2", "$10", "invalidate", "_", NULL};
    static const char *const message[] = {"*3", "$7", "message", "$20", "__redis__:invalidate", "$-1", NULL};
    struct config config;
    testing_server_config(&config, 2);
    config.values.maxmemory_bytes = 256 << 20; /* so that segments have room for such names */
    config.values.client_output_buffer_limit.pubsub.hard_bytes = 0;
    config.values.client_output_buffer_limit.pubsub.soft_bytes = 0;
    struct server *server = testing_server_start(&config);
    static struct peer behind, beside, target, elsewhere, writer;
    char mode[64];
    peer_connect(&behind, server);
    struct worker *worker = worker_with(server, id_of(&behind));
    assert_non_null(worker);
    connect_beside(&writer, server, worker, false);
    connect_beside(&beside, server, worker, true);
    connect_beside(&target, server, worker, true);
    connect_beside(&elsewhere, server, worker, false);
    snprintf(mode, sizeof mode, " REDIRECT %llu", (unsigned long long)id_of(&target));
    peer_say(&target, "SUBSCRIBE __redis__:invalidate\r\n");
    while (strcmp(peer_line(&target), ":1") != 0)
        ;
    begin_tracking(&behind, " BCAST");
    begin_tracking(&beside, "");
    begin_tracking(&elsewhere, mode);
    worker_visit(worker); /* it does nothing now */
    change_too_many(&writer);
    worker_leave(worker);
    expect_lines(&beside, everything);
    expect_lines(&behind, everything); /* first of all, whatever else it is told */
    expect_lines(&target, message);
    peer_say(&elsewhere, "PING\r\n");
    assert_string_equal(peer_line(&elsewhere), "+PONG");
    struct peer *all[] = {&behind, &beside, &target, &elsewhere, &writer};
    for (size_t i = 0; i < COUNT_OF(all); i++)
        close(all[i]->fd);
    server_stop(server);
    server_free(server);
}

UNIT_TESTS(tracking_threads, UNIT(no_copy_is_older_than_what_is_acknowledged), UNIT(keys_noted_too_late_are_found_out),
           UNIT(a_full_mailbox_drops_everything));
