#include <pthread.h>

#include "app/server/peer_fixture.h"
#include "app/server/pubsub.h"
#include "app/server/server_start_fixture.h"
#include "app/server/worker.h"
#include "base/assert.h"
#include "base/number.h"
#include "base/rng.h"
#include "unit.h"

enum { LISTENERS = 6, PUBLISHERS = 3, ROUNDS = 60, TOPICS = 5 };

static struct server *server_started(unsigned threads, uint64_t pubsub_hard_bytes) {
    struct config config;
    testing_server_config(&config, threads);
    config.values.client_output_buffer_limit.pubsub.hard_bytes = pubsub_hard_bytes;
    return testing_server_start(&config);
}

/* ------------------------------------------------- comers, goers, publishers */

struct play {
    struct server *server;
    atomic_bool over;
    uint32_t number;
    uint64_t messages; /* out */
};

/* Messages are "PUBLISHER TOPIC NUMBER"; of each publisher and topic the numbers follow on one another. */
static void check_message(uint64_t next[PUBLISHERS + 1][TOPICS], const char *text) {
    unsigned publisher, topic;
    unsigned long long number;
    ASSERT(sscanf(text, "%u %u %llu", &publisher, &topic, &number) == 3);
    ASSERT(publisher <= PUBLISHERS && topic < TOPICS);
    ASSERT(next[publisher][topic] == 0 || number == next[publisher][topic]);
    next[publisher][topic] = number + 1;
}

static void listen_a_while(struct play *play, struct peer *peer, struct rng *rng) {
    uint64_t next[PUBLISHERS + 1][TOPICS] = {0};
    char request[128], words[5][64];
    bool pattern = rng_below(rng, 2);
    const char *p = pattern ? "P" : "";
    uint32_t topic = (uint32_t)rng_below(rng, TOPICS), wanted = (uint32_t)rng_below(rng, 40);
    snprintf(request, sizeof request, pattern ? "PSUBSCRIBE topic*%u\r\n" : "SUBSCRIBE topic%u\r\n", topic);
    peer_say(peer, request);
    ASSERT(peer_words(peer, words) == 3 && strcmp(words[2], ":1") == 0);
    for (uint32_t i = 0; i < wanted; i++, play->messages++) {
        uint32_t count = peer_words(peer, words);
        ASSERT(count == (pattern ? 4u : 3u));
        check_message(next, words[count - 1]);
    }
    if (rng_below(rng, 3) == 0) {
        close(peer->fd);
        peer_connect(peer, play->server);
        return;
    }
    snprintf(request, sizeof request, "%sUNSUBSCRIBE\r\nPING\r\n", p);
    peer_say(peer, request);
    for (;;) {
        uint32_t count = peer_words(peer, words);
        if (strcmp(words[count - 1], ":0") == 0)
            break;
        check_message(next, words[count - 1]);
        play->messages++;
    }
    const char *pong = peer_line(peer);
    ASSERT(pong && strcmp(pong, "+PONG") == 0);
}

static void *listen_to_some(void *context) {
    struct play *play = context;
    struct rng rng = rng_seeded(unit_seed() * 1000 + play->number);
    struct peer *peer = malloc(sizeof *peer);
    ASSERT(peer);
    peer_connect(peer, play->server);
    for (int round = 0; round < ROUNDS; round++)
        listen_a_while(play, peer, &rng);
    close(peer->fd);
    free(peer);
    return NULL;
}

static void *publish_by_command(void *context) {
    struct play *play = context;
    struct peer *peer = malloc(sizeof *peer);
    ASSERT(peer);
    peer_connect(peer, play->server);
    for (uint64_t number = 1; !atomic_load(&play->over); number++) {
        for (unsigned topic = 0; topic < TOPICS; topic++) {
            char request[128];
            snprintf(request, sizeof request, "PUBLISH topic%u \"%u %u %llu\"\r\n", topic, play->number, topic,
                     (unsigned long long)number);
            peer_say(peer, request);
        }
        for (unsigned topic = 0; topic < TOPICS; topic++) {
            const char *reply = peer_line(peer);
            ASSERT(reply && reply[0] == ':');
        }
    }
    close(peer->fd);
    free(peer);
    return NULL;
}

/* As the server's own events are: from a thread that is no worker. */
static void *publish_from_inside(void *context) {
    struct play *play = context;
    for (uint64_t number = 1; !atomic_load(&play->over); number++) {
        for (unsigned topic = 0; topic < TOPICS; topic++) {
            char name[16], text[64];
            snprintf(name, sizeof name, "topic%u", topic);
            snprintf(text, sizeof text, "%u %u %llu", play->number, topic, (unsigned long long)number);
            uint64_t receivers;
            enum status status = pubsub_publish(play->server, TOPIC_CHANNEL, slice_from_string(name),
                                                slice_from_string(text), &receivers);
            ASSERT(status == STATUS_OK);
        }
        while (atomic_load(&play->server->inboxes_full) && !atomic_load(&play->over))
            sched_yield();
    }
    return NULL;
}

static void who_comes_and_goes_misses_nothing_between(void **state) {
    struct server *server = server_started(4, 0);
    struct play listeners[LISTENERS], publishers[PUBLISHERS + 1];
    pthread_t listening[LISTENERS], publishing[PUBLISHERS + 1];
    for (uint32_t i = 0; i <= PUBLISHERS; i++) {
        publishers[i] = (struct play){.server = server, .number = i};
        assert_int_equal(
            pthread_create(&publishing[i], NULL, i ? publish_by_command : publish_from_inside, &publishers[i]), 0);
    }
    for (uint32_t i = 0; i < LISTENERS; i++) {
        listeners[i] = (struct play){.server = server, .number = i};
        assert_int_equal(pthread_create(&listening[i], NULL, listen_to_some, &listeners[i]), 0);
    }
    uint64_t messages = 0;
    for (uint32_t i = 0; i < LISTENERS; i++) {
        pthread_join(listening[i], NULL);
        messages += listeners[i].messages;
    }
    for (uint32_t i = 0; i <= PUBLISHERS; i++) {
        atomic_store(&publishers[i].over, true);
        pthread_join(publishing[i], NULL);
    }
    printf("seed %llu, %llu messages received\n", (unsigned long long)unit_seed(), (unsigned long long)messages);
    assert_true(messages > LISTENERS * ROUNDS);
    struct cmd_server_counts counts;
    server->api.api->counts(&server->api, &counts);
    assert_int_equal(counts.pubsub_cuts, 0);
    server_stop(server);
    server_free(server);
}

/* ----------------------------------------------------------- a worker behind */

/* The worker that has the connection of this name. */
static struct worker *worker_with(const struct server *server, uint64_t id) {
    for (uint32_t i = 0; i < server->worker_count; i++) {
        struct worker *worker = server->workers[i], *found = NULL;
        worker_visit(worker);
        for (const struct connection *one = worker->first; one; one = one->older)
            found = one->client.id == id ? worker : found;
        worker_leave(worker);
        if (found)
            return found;
    }
    return NULL;
}

static uint64_t peer_id(struct peer *peer) {
    peer_say(peer, "CLIENT ID\r\n");
    const char *line = peer_line(peer);
    ASSERT(line && line[0] == ':');
    return strtoull(line + 1, NULL, 10);
}

static void fill(struct server *server, uint64_t bytes) {
    enum { PIECE = 64 * 1024 };
    static uint8_t text[PIECE];
    for (uint64_t sent = 0; sent < bytes; sent += PIECE) {
        uint64_t receivers;
        assert_int_equal(pubsub_publish(server, TOPIC_CHANNEL, SLICE("news"), slice_make(text, PIECE), &receivers),
                         STATUS_OK);
        assert_int_equal(receivers, 1);
    }
}

/* A listener on a worker that does nothing, and whose inbox is full; another client on the other worker. */
struct behind {
    struct server *server;
    struct worker *worker;
    struct peer listener, other;
};

static void expect_line(struct peer *peer, const char *wanted) {
    const char *line = peer_line(peer);
    assert_non_null(line);
    assert_string_equal(line, wanted);
}

/* `settings`: a command that is answered with OK, or empty. */
static void behind_begin(struct behind *behind, const char *settings) {
    char words[5][64];
    behind->server = server_started(2, 0);
    peer_connect(&behind->listener, behind->server);
    behind->worker = worker_with(behind->server, peer_id(&behind->listener));
    assert_non_null(behind->worker);
    do
        peer_connect(&behind->other, behind->server);
    while (worker_with(behind->server, peer_id(&behind->other)) == behind->worker);
    peer_say(&behind->listener, "SUBSCRIBE news\r\n");
    assert_int_equal(peer_words(&behind->listener, words), 3);
    peer_say(&behind->other, settings);
    if (settings[0])
        expect_line(&behind->other, "+OK");
    worker_visit(behind->worker); /* it does nothing now */
    fill(behind->server, INBOX_SOFT_BYTES);
    assert_int_equal(atomic_load(&behind->server->inboxes_full), 1);
}

/* Nothing comes within a time that is long for a server. */
static void expect_waiting(struct peer *peer) {
    struct timeval soon = {.tv_usec = 200 * 1000}, patience = {.tv_sec = PATIENCE_S};
    setsockopt(peer->fd, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon);
    assert_null(peer_line(peer));
    setsockopt(peer->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
}

/* The worker goes on, and the listener takes what there is for it: zeros but for their heads. */
static void behind_catch_up(struct behind *behind) {
    worker_leave(behind->worker);
    for (uint64_t left = INBOX_SOFT_BYTES; left > 0;) {
        static uint8_t input[64 * 1024];
        ssize_t got = recv(behind->listener.fd, input, sizeof input, 0);
        assert_true(got > 0);
        left -= (uint64_t)got < left ? (uint64_t)got : left;
    }
}

static void behind_end(struct behind *behind) {
    assert_int_equal(atomic_load(&behind->server->inboxes_full), 0);
    close(behind->listener.fd);
    close(behind->other.fd);
    server_stop(behind->server);
    server_free(behind->server);
}

static void a_worker_behind_holds_publishers_back(void **state) {
    static struct behind behind;
    behind_begin(&behind, "");
    peer_say(&behind.other, "PING\r\nSET a 1\r\nPUBLISH news last\r\nPING\r\n");
    expect_line(&behind.other, "+PONG");
    expect_line(&behind.other, "+OK"); /* of which nobody is told */
    expect_waiting(&behind.other);
    behind_catch_up(&behind);
    expect_line(&behind.other, ":1");
    expect_line(&behind.other, "+PONG");
    behind_end(&behind);
}

static void and_writers_whose_changes_are_published(void **state) {
    static const struct {
        const char *commands, *first, *later[4];
    } cases[] = {
        {"GET a\r\nSET a 1\r\nGET a\r\n", "$-1", {"+OK", "$1", "1"}},
        {"PING\r\nDEL a\r\n", "+PONG", {":0"}},
        {"MULTI\r\nSET a 1\r\nEXEC\r\n", "+OK", {"+QUEUED", "*1", "+OK"}},
        {"PING\r\nTAG INVALIDATE t\r\n", "+PONG", {":0"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        static struct behind behind;
        behind_begin(&behind, "CONFIG SET notify-keyspace-events KA\r\n");
        peer_say(&behind.other, cases[i].commands);
        expect_line(&behind.other, cases[i].first);
        bool queued = strcmp(cases[i].later[0], "+QUEUED") == 0;
        if (queued)
            expect_line(&behind.other, cases[i].later[0]);
        expect_waiting(&behind.other);
        behind_catch_up(&behind);
        for (int line = queued; line < 4 && cases[i].later[line]; line++)
            expect_line(&behind.other, cases[i].later[line]);
        behind_end(&behind);
    }
}

static void what_is_lost_is_not_lost_in_silence(void **state) {
    struct server *server = server_started(1, 0);
    static struct peer listener, other;
    char words[5][64];
    peer_connect(&listener, server);
    peer_connect(&other, server);
    peer_say(&listener, "SUBSCRIBE news\r\n");
    assert_int_equal(peer_words(&listener, words), 3);
    worker_visit(server->workers[0]);
    fill(server, INBOX_HARD_BYTES + 1024 * 1024);
    worker_leave(server->workers[0]);
    peer_say(&other, "PING\r\n");
    assert_string_equal(peer_line(&other), "+PONG");
    static uint8_t input[64 * 1024];
    while (recv(listener.fd, input, sizeof input, 0) > 0)
        ;
    struct cmd_server_counts counts;
    server->api.api->counts(&server->api, &counts);
    assert_int_equal(counts.pubsub_cuts, 1);
    assert_int_equal(counts.topics[TOPIC_CHANNEL], 0);
    assert_int_equal(atomic_load(&server->inboxes_full), 0);
    close(listener.fd);
    close(other.fd);
    server_stop(server);
    server_free(server);
}

UNIT_TESTS(pubsub_threads, UNIT(who_comes_and_goes_misses_nothing_between), UNIT(a_worker_behind_holds_publishers_back),
           UNIT(and_writers_whose_changes_are_published), UNIT(what_is_lost_is_not_lost_in_silence));
