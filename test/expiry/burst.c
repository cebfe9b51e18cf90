/* test/expiry/burst.c: many keys that expire in the same second, while somebody else goes on asking.
 *
 * KEYS keys are written that expire within one second, some time from now; with `mixed` as many again among them that live an hour. Probers,
 * each with a connection of its own, send a PING or a GET every millisecond, before the moment and while everything expires; a request
 * that could not be sent in time counts from when it should have been. When the keys are gone is asked with DBSIZE.
 *
 * Prints: loaded KEYS, quiet and burst latencies (p50, p99, p99.9, max in microseconds), gone MS (after the last key's time), kept COUNT.
 *
 * Usage: burst together|mixed HOST PORT SEED KEYS SECONDS    SECONDS: from the begin of loading to the moment
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "../consistency/peer.h"

enum {
    PROBERS = 2,
    BATCH = 256,
    EVERY_US = 1000,
    QUIET_S = 3,
    BURST_S = 6, /* from the moment on */
    SAMPLES_MAX = (QUIET_S + BURST_S + 30) * 1000000 / EVERY_US,
    HOUR_MS = 3600 * 1000,
    GIVE_UP_MS = 60 * 1000,
};

static const char *host;
static int port;
static uint64_t seed, keys, moment_us; /* moment: of the calendar */
static bool mixed;

struct prober {
    uint32_t number, count[2];
    uint32_t *latency_us[2]; /* quiet, burst */
};

static uint64_t now_us(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

static void argument_key(struct peer *peer, const char *prefix, uint64_t key) {
    char name[40];
    peer_argument(peer, name, (size_t)sprintf(name, "%s:%llu", prefix, (unsigned long long)key));
}

static void ask_set(struct peer *peer, const char *prefix, uint64_t key, uint64_t at_ms) {
    char number[24];
    peer_begin(peer, 5);
    peer_text(peer, "SET");
    argument_key(peer, prefix, key);
    peer_text(peer, "a value of thirty-two bytes or so");
    peer_text(peer, "PXAT");
    peer_argument(peer, number, (size_t)sprintf(number, "%llu", (unsigned long long)at_ms));
}

static void load(struct peer *peer) {
    uint64_t random = seed, moment_ms = moment_us / 1000;
    for (uint64_t key = 0; key < keys;) {
        int asked = 0;
        for (; asked < BATCH && key < keys; key++) {
            ask_set(peer, "x", key, moment_ms + random_next(&random) % 1000);
            asked++;
            if (!mixed)
                continue;
            ask_set(peer, "y", key, moment_ms + HOUR_MS + random_next(&random) % HOUR_MS);
            asked++;
        }
        peer_flush(peer);
        for (int i = 0; i < asked; i++)
            peer_expect_ok(peer);
    }
    printf("loaded %llu\n", (unsigned long long)keys);
}

/* ----------------------------------------------------------------- probing */

static void probe(struct prober *prober, struct peer *peer, uint64_t *random) {
    struct answer answer;
    if (random_next(random) % 2) {
        peer_begin(peer, 1);
        peer_text(peer, "PING");
    } else {
        peer_begin(peer, 2);
        peer_text(peer, "GET");
        argument_key(peer, "x", random_next(random) % keys);
    }
    peer_flush(peer);
    peer_read(peer, &answer);
    if (answer.type != '+' && answer.type != '$')
        complain("prober %u was answered %c%.*s", prober->number, answer.type, (int)answer.size, answer.data);
}

/* One beat a millisecond, on a timer that does not drift; a late beat is counted from when it was due. */
static void *probe_on(void *context) {
    struct prober *prober = context;
    struct peer peer;
    uint64_t random = seed * 77 + prober->number;
    int timer = timerfd_create(CLOCK_MONOTONIC, 0);
    peer_open(&peer, host, port);
    uint64_t begin_us = now_us(CLOCK_MONOTONIC) + (moment_us - QUIET_S * 1000000ull - now_us(CLOCK_REALTIME));
    for (uint64_t beat = 0; beat < (QUIET_S + BURST_S) * 1000000ull / EVERY_US; beat++) {
        uint64_t due_us = begin_us + beat * EVERY_US, expirations;
        struct itimerspec at = {.it_value = {(time_t)(due_us / 1000000), (long)(due_us % 1000000) * 1000}};
        timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL);
        if (read(timer, &expirations, sizeof expirations) != sizeof expirations)
            complain("the timer fails");
        probe(prober, &peer, &random);
        int phase = beat * EVERY_US >= QUIET_S * 1000000ull;
        prober->latency_us[phase][prober->count[phase]++] = (uint32_t)(now_us(CLOCK_MONOTONIC) - due_us);
    }
    close(timer);
    peer_close(&peer);
    return NULL;
}

static int by_number(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static void show(const char *name, struct prober *probers, int phase) {
    static uint32_t all[PROBERS * SAMPLES_MAX];
    size_t count = 0;
    for (int i = 0; i < PROBERS; i++) {
        memcpy(all + count, probers[i].latency_us[phase], probers[i].count[phase] * sizeof *all);
        count += probers[i].count[phase];
    }
    qsort(all, count, sizeof *all, by_number);
    printf("%s p50 %u p99 %u p999 %u max %u\n", name, all[count / 2], all[count * 99 / 100], all[count * 999 / 1000],
           all[count - 1]);
}

/* ------------------------------------------------------------------ asking */

static uint64_t count_keys(struct peer *peer) {
    struct answer answer;
    peer_begin(peer, 1);
    peer_text(peer, "DBSIZE");
    peer_flush(peer);
    peer_read(peer, &answer);
    return (uint64_t)answer.number;
}

/* Asks every ten milliseconds until all that should have expired is gone. */
static void wait_until_gone(struct peer *peer) {
    uint64_t expected = mixed ? keys : 0, end_us = moment_us + 1000000, count = 0;
    int timer = timerfd_create(CLOCK_MONOTONIC, 0);
    struct itimerspec every = {.it_value = {0, 1}, .it_interval = {0, 10 * 1000 * 1000}};
    timerfd_settime(timer, 0, &every, NULL);
    /* A hundredth of those that share their segments with others may stay for a while. */
    uint64_t rest = mixed ? keys / 100 : 0;
    for (uint64_t beats; now_us(CLOCK_REALTIME) < end_us + GIVE_UP_MS * 1000ull;) {
        if (read(timer, &beats, sizeof beats) != sizeof beats || now_us(CLOCK_REALTIME) < moment_us)
            continue;
        count = count_keys(peer);
        if (count <= expected + rest)
            break;
    }
    uint64_t now = now_us(CLOCK_REALTIME);
    printf("gone %llu\n", (unsigned long long)(now > end_us ? (now - end_us) / 1000 : 0));
    printf("kept %lld\n", (long long)count - (long long)expected);
    close(timer);
}

int main(int argc, char **argv) {
    if (argc != 7)
        return fprintf(stderr, "usage: burst together|mixed HOST PORT SEED KEYS SECONDS\n"), 2;
    mixed = strcmp(argv[1], "mixed") == 0;
    host = argv[2], port = atoi(argv[3]), seed = strtoull(argv[4], NULL, 0), keys = strtoull(argv[5], NULL, 10);
    moment_us = now_us(CLOCK_REALTIME) + (uint64_t)(atof(argv[6]) * 1e6);
    struct peer peer;
    peer_open(&peer, host, port);
    load(&peer);
    if (now_us(CLOCK_REALTIME) + QUIET_S * 1000000ull > moment_us)
        return printf("not ok loading took too long\n"), 1;
    struct prober probers[PROBERS] = {0};
    pthread_t threads[PROBERS];
    for (uint32_t i = 0; i < PROBERS; i++) {
        probers[i].number = i;
        for (int phase = 0; phase < 2; phase++)
            probers[i].latency_us[phase] = malloc(SAMPLES_MAX * sizeof(uint32_t));
        pthread_create(&threads[i], NULL, probe_on, &probers[i]);
    }
    wait_until_gone(&peer);
    for (size_t i = 0; i < PROBERS; i++)
        pthread_join(threads[i], NULL);
    show("quiet", probers, 0);
    show("burst", probers, 1);
    peer_close(&peer);
    return complaints() ? 1 : 0;
}
