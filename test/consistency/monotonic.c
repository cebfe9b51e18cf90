/* test/consistency/monotonic.c: readers never see a torn, foreign or older value.
 *
 * Each writer owns its keys and writes growing numbers to them. A reader checks of every value that it is whole and of the right
 * key, that its number is at least what had been acknowledged before the read was sent, at least what this reader saw of the key
 * before, and not greater than what the writer has begun to write. A third of the keys always have the same size (overwritten in
 * place), the others change theirs, some values being larger than 100 KB.
 *
 * Usage: monotonic HOST PORT SEED CHECKS
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "peer.h"

enum { WRITERS = 4, READERS = 16, KEYS = 96, PIPELINE_MAX = 16, WRITES_MAX = 8 };

static const char *host;
static int port;
static uint64_t seed, checks_wanted;
static _Atomic uint64_t begun[KEYS], acknowledged[KEYS];
static _Atomic uint64_t checks, writes;
static atomic_bool stop;

static size_t key_name(uint64_t key, char *room) {
    return (size_t)sprintf(room, "monotonic:%llu", (unsigned long long)key);
}

static size_t key_size(uint64_t key, uint64_t *random) { return key % 3 == 0 ? 40 + key * 8 : random_size(random); }

static void write_begin(struct peer *peer, uint64_t key, uint64_t *random, void *room) {
    char name[64];
    uint64_t number = atomic_load(&begun[key]) + 1;
    size_t size = key_size(key, random);
    value_make(room, size, key, number);
    atomic_store(&begun[key], number);
    bool expiring = random_next(random) % 8 == 0;
    peer_begin(peer, expiring ? 5 : 3);
    peer_text(peer, "SET");
    peer_argument(peer, name, key_name(key, name));
    peer_argument(peer, room, size);
    if (expiring) {
        peer_text(peer, "PX");
        peer_text(peer, "7200000");
    }
}

static void *writer(void *argument) {
    uint64_t self = (uintptr_t)argument, random = seed * 1000 + self;
    struct peer peer;
    peer_open(&peer, host, port);
    void *room = malloc(VALUE_SIZE_MAX);
    while (!atomic_load(&stop)) {
        uint64_t keys[WRITES_MAX];
        size_t count = 1 + random_next(&random) % WRITES_MAX;
        for (size_t i = 0; i < count; i++) {
            keys[i] = random_next(&random) % (KEYS / WRITERS) * WRITERS + self;
            write_begin(&peer, keys[i], &random, room);
        }
        peer_flush(&peer);
        for (size_t i = 0; i < count; i++) {
            peer_expect_ok(&peer);
            atomic_fetch_add(&acknowledged[keys[i]], 1);
        }
        atomic_fetch_add(&writes, count);
    }
    free(room);
    peer_close(&peer);
    return NULL;
}

static void check(const struct answer *answer, uint64_t key, uint64_t least, uint64_t *seen) {
    uint64_t number;
    if (answer->type != '$' || answer->number < 0) {
        complain("key %llu: no value but %c%lld", (unsigned long long)key, answer->type, (long long)answer->number);
        return;
    }
    const char *wrong = value_check(answer->data, answer->size, key, &number);
    if (wrong)
        complain("key %llu, %zu bytes: %s", (unsigned long long)key, answer->size, wrong);
    else if (number < *seen)
        complain("key %llu: number %llu after %llu was seen", (unsigned long long)key, (unsigned long long)number,
                 (unsigned long long)*seen);
    else if (number < least)
        complain("key %llu: number %llu after %llu was acknowledged", (unsigned long long)key,
                 (unsigned long long)number, (unsigned long long)least);
    else if (number > atomic_load(&begun[key]))
        complain("key %llu: number %llu was never written", (unsigned long long)key, (unsigned long long)number);
    else
        *seen = number;
}

static void *reader(void *argument) {
    uint64_t self = (uintptr_t)argument, random = seed * 1000 + 100 + self;
    uint64_t seen[KEYS] = {0};
    struct peer peer;
    peer_open(&peer, host, port);
    while (atomic_load(&checks) < checks_wanted && complaints() < 1000) {
        uint64_t keys[PIPELINE_MAX], least[PIPELINE_MAX];
        char name[64];
        size_t count = 1 + random_next(&random) % PIPELINE_MAX;
        bool together = random_next(&random) % 4 == 0;
        if (together) {
            peer_begin(&peer, 1 + (int)count);
            peer_text(&peer, "MGET");
        }
        for (size_t i = 0; i < count; i++) {
            keys[i] = random_next(&random) % KEYS;
            least[i] = atomic_load(&acknowledged[keys[i]]);
            if (!together) {
                peer_begin(&peer, 2);
                peer_text(&peer, "GET");
            }
            peer_argument(&peer, name, key_name(keys[i], name));
        }
        peer_flush(&peer);
        struct answer answer;
        if (together) {
            peer_read(&peer, &answer);
            if (answer.type != '*' || answer.number != (int64_t)count) {
                complain("MGET answered %c%lld", answer.type, (long long)answer.number);
                break;
            }
        }
        for (size_t i = 0; i < count; i++) {
            peer_read(&peer, &answer);
            check(&answer, keys[i], least[i], &seen[keys[i]]);
        }
        atomic_fetch_add(&checks, count);
    }
    peer_close(&peer);
    return NULL;
}

int main(int argc, char **argv) {
    if (argc != 5)
        return fprintf(stderr, "usage: monotonic HOST PORT SEED CHECKS\n"), 2;
    host = argv[1], port = atoi(argv[2]), seed = strtoull(argv[3], NULL, 0),
    checks_wanted = strtoull(argv[4], NULL, 10);
    bool good = value_check_checked();
    struct peer peer;
    void *room = malloc(VALUE_SIZE_MAX);
    peer_open(&peer, host, port);
    for (uint64_t key = 0; key < KEYS; key++) {
        write_begin(&peer, key, &seed, room);
        peer_flush(&peer);
        peer_expect_ok(&peer);
        atomic_store(&acknowledged[key], 1);
    }
    peer_close(&peer);
    free(room);
    pthread_t threads[WRITERS + READERS];
    for (uintptr_t i = 0; i < WRITERS + READERS; i++)
        pthread_create(&threads[i], NULL, i < WRITERS ? writer : reader, (void *)(i < WRITERS ? i : i - WRITERS));
    for (size_t i = WRITERS; i < WRITERS + READERS; i++)
        pthread_join(threads[i], NULL);
    atomic_store(&stop, true);
    for (size_t i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    char figures[128];
    snprintf(figures, sizeof figures, "%llu reads checked, %llu writes", (unsigned long long)checks,
             (unsigned long long)writes);
    good = case_end("no reader sees a torn, foreign or older value", figures) && good;
    return good ? 0 : 1;
}
